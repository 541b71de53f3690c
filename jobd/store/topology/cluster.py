"""A Redis Cluster: each slot has a node that owns it, and both move."""

from __future__ import annotations

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from jobd.store.topology.topology import Topology
from jobd.store_url import Address, StoreUrl


class Cluster(Topology):
    """Learns the nodes from each other, and asks them in turn."""

    slots_move = True

    def __init__(self, url: StoreUrl) -> None:
        super().__init__(url)
        self._nodes = list(url.addresses)

    async def owner(self, slot: int, *, doubted: Address | None = None) -> Address:
        """The node that owns the slot. A node that is doubted is asked last: one that was away may still take itself
        for the owner."""
        trouble: Exception = RedisConnectionError("no node of the cluster answered")
        # who answered last is asked first, then the others, then those of the URL: they may have new addresses
        candidates = dict.fromkeys([*self._nodes, *self.url.addresses])
        for address in sorted(candidates, key=lambda address: address == doubted):
            try:
                owner = await self._ask(address, slot)
            except (RedisError, OSError) as error:
                trouble = error
                self._put_last(address)
                continue
            if owner is not None:
                return owner
            trouble = RedisConnectionError(f"{address} knows of no owner of slot {slot}")
            self._put_last(address)
        raise trouble

    async def _ask(self, address: Address, slot: int) -> Address | None:
        (ranges,) = await self.node(address).answers(("CLUSTER", "SLOTS"))
        found: Address | None = None
        nodes: dict[Address, None] = {}
        for first, last, *servers in ranges:
            # a node that does not know its own name leaves it out: it is where we asked
            named = [Address(_text(host) or address.host, int(port)) for host, port, *_ in servers]
            nodes |= dict.fromkeys(named)
            if first <= slot <= last and named:
                found = named[0]
        if nodes:
            self._nodes = [address, *(node for node in nodes if node != address)]
        return found

    def _put_last(self, address: Address) -> None:
        if address in self._nodes:
            self._nodes.remove(address)
            self._nodes.append(address)


def _text(host: bytes | None) -> str:
    name = (host or b"").decode()
    return "" if name == "?" else name
