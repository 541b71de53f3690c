"""One connection to a server with any number of commands in flight on it.

redis-py connects it and does all that comes with that (TLS, password, database, names, who is the master), then hands
over its socket. Sending and reading is our own: redis-py takes about 100 µs of CPU a command and a connection for each
command under way; this takes about 10 and one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Self

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse

from jobd import clock
from jobd.store.topology.node import COMMAND_TIMEOUT_S, CONNECT_TIMEOUT_S, Node

Argument = bytes | str | int | float

SILENT_S = COMMAND_TIMEOUT_S / 2
"""a connection on which an answer is late by so much is taken for dead by those who lose patience"""
_MORE = object()


class _Trip:
    """Commands that were sent together, and their replies as they come."""

    __slots__ = ("count", "future", "may_be_late", "replies", "sent_at")

    def __init__(self, count: int, future: asyncio.Future[list[Any]], may_be_late: bool) -> None:
        self.count = count
        self.future = future
        self.may_be_late = may_be_late
        self.replies: list[Any] = []
        self.sent_at = clock.monotonic()

    @property
    def counts(self) -> bool:
        """Does somebody wait for it, and not for ever?"""
        return not self.may_be_late and not self.future.done()


class Pipe(asyncio.Protocol):
    """An open connection. Whoever gives up waiting leaves his place in the line, so that no reply reaches another."""

    def __init__(self, connection: AbstractConnection) -> None:
        """Takes over a connection that redis-py has opened, and on which nothing is under way."""
        self._connection = connection
        # redis-py has no public way to its socket; tests/store/test_link.py would tell if it went another
        self._transport: asyncio.WriteTransport = connection._writer.transport  # type: ignore[union-attr]  # it is open
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse,
            replyError=connection._parser.parse_error,
            notEnoughData=_MORE,
        )
        self._under_way: deque[_Trip] = deque()
        self._outgoing: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._lost: Exception | None = None
        self._alarm: asyncio.TimerHandle | None = None
        """set for the first of those who wait, and not anew for each: that would cost as much as to send"""
        self._transport.set_protocol(self)

    @classmethod
    async def to(cls, node: Node) -> Self:
        """A connection of its own to a server. Raises RedisError, OSError."""
        connection = node.connection()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await connection.connect()
            return cls(connection)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise

    @property
    def usable(self) -> bool:
        """Can more be sent?"""
        return self._lost is None and not self._transport.is_closing()

    @property
    def idle(self) -> bool:
        """Is no reply awaited?"""
        return not self._under_way

    @property
    def silent(self) -> bool:
        """Has the server been asked something long ago, and not answered?"""
        return bool(self._under_way) and clock.monotonic() - self._under_way[0].sent_at >= SILENT_S

    async def ask(self, commands: bytes, count: int = 1, *, may_be_late: bool = False) -> list[Any]:
        """The replies to so many packed commands, in order; those that are errors are among them, not raised. Raises
        ConnectionError of redis-py if the connection ends before the last has come, and TimeoutError if that takes too
        long for commands that do not wait for something themselves."""
        if not self.usable:
            raise RedisConnectionError("the connection is closed")
        trip = _Trip(count, self._loop.create_future(), may_be_late)
        self._under_way.append(trip)
        if self._alarm is None and not may_be_late:
            self._alarm = self._loop.call_later(COMMAND_TIMEOUT_S, self._look)
        if len(self._under_way) == 1:
            self._transport.write(commands)  # alone, it need not wait for the next round of the loop
        else:
            # what is sent in one round goes in one call of the system, which costs more than all else here
            if not self._outgoing:
                self._loop.call_soon(self._flush)
            self._outgoing.append(commands)
        return await trip.future

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if self.usable:
            self._transport.write(outgoing[0] if len(outgoing) == 1 else b"".join(outgoing))

    def _look(self) -> None:
        """Tells those who have waited long enough."""
        now = clock.monotonic()
        for trip in self._under_way:
            if trip.counts and now >= trip.sent_at + COMMAND_TIMEOUT_S:
                trip.future.set_exception(TimeoutError("no answer came"))
        waiting = [trip.sent_at for trip in self._under_way if trip.counts]
        left = min(waiting) + COMMAND_TIMEOUT_S - now if waiting else None
        self._alarm = None if left is None else self._loop.call_later(left, self._look)

    def abort(self) -> None:
        """Ends the connection; whoever waits for a reply gets a ConnectionError."""
        self._transport.abort()

    async def close(self) -> None:
        """Closes the connection. Twice is harmless."""
        self._end(RedisConnectionError("the connection was closed"))
        self._transport.abort()  # to take leave of a server over TLS takes a trip, and the loop may end before
        await self._connection.disconnect(nowait=True)

    def data_received(self, data: bytes) -> None:
        """Hands out the replies in it."""
        reader, under_way = self._reader, self._under_way
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not _MORE:
                if type(reply) is hiredis.PushNotification:
                    continue  # nothing that we have asked for
                trip = under_way[0]
                trip.replies.append(reply)
                if len(trip.replies) == trip.count:
                    under_way.popleft()
                    if not trip.future.done():
                        trip.future.set_result(trip.replies)
        except (InvalidResponse, IndexError) as error:
            self._end(RedisConnectionError(f"the server said what was not understood: {error!r}"))
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Tells whoever waits."""
        self._end(RedisConnectionError(f"the connection was lost: {error or 'the server closed it'}"))

    def _end(self, error: Exception) -> None:
        if self._lost is None:
            self._lost = error
        if self._alarm is not None:
            self._alarm.cancel()
        while self._under_way:
            future = self._under_way.popleft().future
            if not future.done():
                future.set_exception(error)


def packed(*words: Argument) -> bytes:
    """A command as it goes over the wire."""
    return hiredis.pack_command(words)  # type: ignore[arg-type,no-any-return]  # its stub means a tuple of one
