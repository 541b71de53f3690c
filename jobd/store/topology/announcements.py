"""What Sentinels announce: that a service is to have another master, and that it has it. Told at once, as a former
master that is asked to go for maintenance takes commands for some ten seconds more, and all that it is told since the
other one was chosen is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from redis.exceptions import RedisError, ResponseError

from jobd.store.topology.node import LOOK_UP_S, Node
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

    def __init__(self, service: str, sentinels: Sequence[Node]) -> None:
        self._service = service
        self._sentinels = sentinels
        self._listeners: list[Listener] = []
        self._tasks: list[asyncio.Task[None]] = []

    def tell(self, listener: Listener) -> None:
        """Tells `listener` of each change of the master from now on, more than once."""
        self._listeners.append(listener)
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._hear(node), name=f"listens to the Sentinel at {node.address}")
                for node in self._sentinels
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

    async def _hear(self, sentinel: Node) -> None:
        while True:
            try:
                await self._listen(sentinel)
            except ResponseError:
                return  # this user may not listen; a former master is left when it refuses commands then
            except (RedisError, OSError):
                await asyncio.sleep(LISTEN_AGAIN_S)  # a Sentinel that is away is nothing special, there are others

    async def _listen(self, sentinel: Node) -> None:
        """Until the connection breaks, or was silent for long."""
        connection = sentinel.connection()
        try:
            async with asyncio.timeout(LOOK_UP_S):
                await connection.connect()
                await connection.send_command("SUBSCRIBE", CHOSEN, PROMOTED, SWITCHED)
            while True:
                async with asyncio.timeout(SILENCE_S):
                    kind, channel, said = await connection.read_response(push_request=True)
                if kind == b"message":
                    self._announced(channel, said.decode().split(" "))
        finally:
            await connection.disconnect(nowait=True)

    def _announced(self, channel: bytes, words: Sequence[str]) -> None:
        """In the words of Sentinels: service, host and port of the former master, host and port of the new one; or, of
        the replica that is to take over, "slave", name, host and port, "@", then the service, host and port."""
        if channel == SWITCHED:
            service, *former, host, port = words
        else:
            _, _, host, port, _, service, *former = words
        if service == self._service:
            master = None if channel == CHOSEN else Address(host, int(port))
            for listener in tuple(self._listeners):
                listener(Address(former[0], int(former[1])), master)
