"""The server that owns a shard, as far as is known: connections to it, and another look when it fails as the owner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from redis.crc import key_slot
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from jobd.errors import SettingsError
from jobd.store.topology.cluster import Cluster
from jobd.store.topology.node import check_files
from jobd.store.topology.sentinels import Sentinels
from jobd.store.topology.topology import Standalone, Topology
from jobd.store.topology.wire import Wire
from jobd.store_url import Address, Kind, StoreUrl, masked

_TOPOLOGIES: Mapping[Kind, Callable[[StoreUrl], Topology]] = {
    "server": Standalone,
    "socket": Standalone,
    "sentinel": Sentinels,
    "cluster": Cluster,
}
_NO_MASTER = (ReadOnlyError, ClusterDownError)
"""which MASTERDOWN is too"""
CHANGE_S = 3.0
"""how long a server that was chosen to be the master may take to be it; it is about one, and then all begins anew"""


def topology_at(url: str) -> Topology:
    """The servers that a URL names. Raises SettingsError if it cannot be understood."""
    try:
        said = StoreUrl.parse(url)
        if said.tls is not None:
            check_files(said.tls)
    except ValueError as error:
        raise SettingsError(f"{masked(url)}: {error}") from error
    return _TOPOLOGIES[said.kind](said)


class Owner:
    """Gives a wire to the server that owns one slot. Looks for that server when none is known or the known one is in
    doubt, so before each command at most."""

    def __init__(self, topology: Topology, key: str, *, beside: Owner | None = None) -> None:
        """`key` is any key in the slot. `beside` is another one for the same slot, which learns what this one meets."""
        self._topology = topology
        self._key = key
        self._slot = key_slot(key.encode())
        self._beside = beside
        self._address: Address | None = None
        self._wire: Wire | None = None
        self._in_doubt = True
        self._looking = asyncio.Lock()
        self._listens = self._closed = False
        self._announcements = 0
        """how many were heard"""
        self._parting: set[asyncio.Task[None]] = set()
        self._stands = asyncio.Event()
        """is no other one chosen that is to take over any moment?"""
        self._stands.set()
        self._change: asyncio.TimerHandle | None = None

    @property
    def address(self) -> Address | None:
        """Where it was found last."""
        return self._address

    @property
    def slots_move(self) -> bool:
        """May the slot go to another server key by key?"""
        return self._topology.slots_move

    def twin(self) -> Owner:
        """Another one for the same slot, with a connection of its own."""
        return Owner(self._topology, self._key, beside=self)

    @property
    def at_hand(self) -> Wire | None:
        """The wire to the owner, if that is known and connected."""
        return self._wire if self._wire is not None and not self._in_doubt and self._wire.connected else None

    async def wire(self) -> Wire:
        """A wire to the owner. Raises RedisError or OSError when it cannot be found at the moment."""
        while self._wire is None or self._in_doubt:
            await self._stands.wait()
            async with self._looking:  # one looks for all
                if self._stands.is_set() and (self._wire is None or self._in_doubt):
                    self._listen()
                    heard = self._announcements
                    found = await self._topology.owner(self._slot, doubted=self._address)
                    if self._closed:
                        raise RedisConnectionError("the connection was closed")  # nobody would close another one
                    if heard == self._announcements:  # else what was announced is newer
                        self._turn_to(found)
                        self._in_doubt = False
                        if self._topology.announcements is not None and self._topology.announcements.leaves(
                            found, CHANGE_S
                        ):
                            self._leave()
        return self._wire

    async def heed(self, error: Exception, wire: Wire | None) -> None:
        """Learns from a command that failed on `wire`."""
        if wire is not self._wire or wire is None:
            return  # it speaks of one that is left already
        if isinstance(error, MovedError):
            # it says who owns the slot now; without a host, the one where we asked
            host = error.host if error.host not in ("", "?") else (self._address.host if self._address else "")
            self._turn_to(Address(host, error.port))
            self._in_doubt = False
        elif not isinstance(error, ResponseError) or isinstance(error, _NO_MASTER) or "UNBLOCKED" in str(error):
            # it is gone, silent, or no master: another one may be
            if not isinstance(error, BusyLoadingError):
                self._distrust()
            self._in_doubt = True

    def _distrust(self) -> None:
        """A connection that waits unused may be as dead as the one that failed."""
        self._in_doubt = True
        if self._wire is not None:
            self._wire.doubt()
        if self._beside is not None:
            self._beside._distrust()

    async def close(self) -> None:
        """Closes its connections, for good."""
        self._closed = True
        self._stands.set()
        if self._topology.announcements is not None:
            await self._topology.announcements.forget(self._follow)
        self._in_doubt = True
        self._part()
        if self._parting:
            await asyncio.wait(self._parting)

    def _listen(self) -> None:
        if self._topology.announcements is not None and not (self._listens or self._closed):
            self._listens = True
            self._topology.announcements.tell(self._follow)

    def _follow(self, former: Address, master: Address | None) -> None:
        """Goes to the new owner at once: the former one may take commands for some time yet, and forget them."""
        if master is None:
            if former == self._address:
                self._announcements += 1
                self._leave()
        elif master != self._address:
            self._announcements += 1
            self._turn_to(master)
            self._in_doubt = False
            self._stands.set()

    def _leave(self) -> None:
        """Asks nothing more of it, and waits for the next owner, which is asked what is under way here."""
        self._stands.clear()
        self._in_doubt = True
        if self._change is not None:
            self._change.cancel()
        self._change = asyncio.get_running_loop().call_later(CHANGE_S, self._stands.set)
        self._part()

    def _turn_to(self, address: Address) -> None:
        if self._wire is None or address != self._address:
            self._part()
            self._wire = Wire(self._topology.node(address))
            self._address = address

    def _part(self) -> None:
        """Sends nothing more to it; whoever still waits for an answer asks the next owner."""
        former, self._wire = self._wire, None
        if former is not None:
            former.end()
            parting = asyncio.create_task(former.close(), name="parts with a server")
            self._parting.add(parting)
            parting.add_done_callback(self._parting.discard)
