"""What Sentinels announce: that a service is to have another master, and that it has it. Told at once, as a former
master that is asked to go for maintenance takes commands for some ten seconds more, and all that it is told since the
other one was chosen is forgotten. Whoever begins to listen asks what was announced just before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from redis.exceptions import RedisError, ResponseError

from jobd import clock
from jobd.store.topology.node import LOOK_UP_S
from jobd.store.topology.sentinel import Sentinel, View
from jobd.store_url import Address

CHOSEN, PROMOTED, SWITCHED = b"+failover-state-send-slaveof-noone", b"+promoted-slave", b"+switch-master"
"""the Sentinel that leads a failover says all three, in this order; the others only the last"""
LISTEN_AGAIN_S = 1.0
"""pause after a connection to a Sentinel broke, or could not be made"""
SILENCE_S = 60.0
"""a connection on which nothing came for so long is made anew: it may have died without a word"""

Listener = Callable[[Address, Address | None], None]
"""is told of the former master, and of the next one: None if it is chosen, and not the master yet"""


class Announcements:
    """Listens to all Sentinels as long as anybody wants to know."""

    def __init__(self, service: str, sentinels: Sequence[Sentinel]) -> None:
        self._service = service
        self._sentinels = sentinels
        self._known = View(-1, Address("", 0))
        """the latest that any of them has said"""
        self._leaving: dict[Address, float] = {}
        """each master in whose place another one was chosen, and when; for those who come to it later"""
        self._listeners: list[Listener] = []
        self._tasks: list[asyncio.Task[None]] = []

    def tell(self, listener: Listener) -> None:
        """Tells `listener` of each change of the master from now on, more than once."""
        self._listeners.append(listener)
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._hear(sentinel), name=f"listens to the Sentinel at {sentinel.address}")
                for sentinel in self._sentinels
            ]

    async def forget(self, listener: Listener) -> None:
        """Tells it no more."""
        if listener not in self._listeners:
            return
        self._listeners.remove(listener)
        if not self._listeners:
            tasks, self._tasks = self._tasks, []
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def leaves(self, master: Address, within_s: float) -> bool:
        """Was another one chosen in its place within so many seconds, as far as was heard?"""
        chosen = self._leaving.get(master)
        return chosen is not None and clock.monotonic() - chosen < within_s

    def note(self, view: View) -> None:
        """Tells all of a master that a Sentinel has named when it was asked, and that it leaves, unless they know it,
        or a later one: that Sentinel was cut off then."""
        if view.failovers > self._known.failovers:
            self._known = view
            self._say(view.master, view.master)
        # once: a change that comes to nothing may take minutes, and that master is needed meanwhile
        if view.leaves and view.failovers == self._known.failovers and view.master not in self._leaving:
            self._say(view.master, None)

    async def _hear(self, sentinel: Sentinel) -> None:
        while True:
            try:
                await self._listen(sentinel)
            except ResponseError:
                return  # this user may not listen; a former master is left when it refuses commands then
            except (RedisError, OSError):
                await asyncio.sleep(LISTEN_AGAIN_S)  # a Sentinel that is away is nothing special, there are others

    async def _listen(self, sentinel: Sentinel) -> None:
        """Until the connection breaks, or was silent for long."""
        connection = sentinel.connection()
        try:
            async with asyncio.timeout(LOOK_UP_S):
                await connection.connect()
                await connection.send_command("SUBSCRIBE", CHOSEN, PROMOTED, SWITCHED)
                await connection.read_response(push_request=True)
            await self._catch_up(sentinel)
            while True:
                async with asyncio.timeout(SILENCE_S):
                    kind, channel, said = await connection.read_response(push_request=True)
                if kind == b"message":
                    self._announced(channel, said.decode().split(" "))
        finally:
            await connection.disconnect(nowait=True)

    async def _catch_up(self, sentinel: Sentinel) -> None:
        """What it announced when we did not listen yet."""
        with suppress(ResponseError):  # it may be told of the service later
            view = await sentinel.view()
            if view.leaves:
                self._leaving.pop(view.master, None)  # what was heard may have been of another change
            self.note(view)

    def _announced(self, channel: bytes, words: Sequence[str]) -> None:
        """In the words of Sentinels: service, host and port of the former master, host and port of the new one; or, of
        the replica that is to take over, "slave", name, host and port, "@", then the service, host and port."""
        if channel == SWITCHED:
            service, *former, host, port = words
        else:
            _, _, host, port, _, service, *former = words
        if service == self._service:
            master = None if channel == CHOSEN else Address(host, int(port))
            if master not in (None, self._known.master):
                self._known = View(self._known.failovers + 1, master)
            self._say(Address(former[0], int(former[1])), master)

    def _say(self, former: Address, master: Address | None) -> None:
        if master is None:
            self._leaving[former] = clock.monotonic()
        else:
            self._leaving.pop(master, None)
        for listener in tuple(self._listeners):
            listener(former, master)
