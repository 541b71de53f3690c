"""One shard's link to its server: calls scripts, and calls them again when the answer did not come.

A server that does not know them is told all at once (libraries.py). Every script is safe to send twice. So a call that
fails on its way is repeated, with growing pauses, until it is answered or the caller's patience has run out; then it is
unknown whether a change took effect, and the error says so.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    MaxConnectionsError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from jobd import clock
from jobd.errors import ClientClosed, StoreDenied, StoreError, StoreFull, StoreUnavailable
from jobd.store.libraries import UNKNOWN, is_unknown, teach
from jobd.store.scripts import Script, load
from jobd.store.topology.node import COMMAND_TIMEOUT_S
from jobd.store.topology.owner import Owner
from jobd.store.topology.pipe import Argument as Argument
from jobd.store.topology.pipe import packed
from jobd.store.topology.wire import Wire

PATIENCE_S = 10.0
_WAIT_MS = 1_000
"""how long one sending waits for a replica"""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 1.0

_PASSING = (
    *(RedisConnectionError, RedisTimeoutError, BusyLoadingError, ReadOnlyError, MaxConnectionsError, OSError),
    # a slot of a Cluster moves: ASK (which MOVED is too) is not followed while it does, as a script may also need keys
    # that have not moved yet, and would make them anew at the other node
    *(AskError, TryAgainError, ClusterDownError),
)
READS = frozenset(["get", "PING", "TIME", "INFO", "LRANGE", "HGETALL", "HKEYS", "HMGET", "ZRANGE", "ZCARD", "ZCOUNT"])
"""scripts and commands that change nothing"""
_PASSING_WORDS = ("BUSY", "UNBLOCKED", "NOREPLICAS", "MISCONF", UNKNOWN)
_DOUBT = "it is unknown whether it took effect, and safe to ask again"
_SLOT_MOVES = "access a non local key"
"""what a server says of a script that met such a key half-way; all scripts do before their first write"""
_REFUSED = (AuthenticationError, AuthorizationError, NoPermissionError)


class Link:
    """The way to the server of one shard."""

    def __init__(
        self, owner: Owner, *, name: str = "redis", opening: Callable[[Wire], Awaitable[None]] | None = None
    ) -> None:
        """`opening` is done before the first command, and again until it has succeeded."""
        self.owner = owner
        self._name = name
        self._opening = opening
        self._apart: Link | None = None
        """for commands that hold up what comes behind them"""
        self._closed = False

    async def close(self) -> None:
        """Closes its connections; who asks for anything after that is refused."""
        self._closed = True
        await self.owner.close()
        if self._apart is not None:
            await self._apart.close()

    async def run(
        self, script: str, keys: Sequence[bytes], arguments: Sequence[Argument], *, patience_s: float = PATIENCE_S
    ) -> Any:
        """The reply of a script. Raises StoreUnavailable when `patience_s` seconds went by without one, StoreFull,
        StoreRefused, or StoreError."""
        loaded = load(script)
        return await self.insist(lambda wire: self._evaluate(wire, loaded, keys, arguments), patience_s, what=script)

    async def run_repeating(
        self,
        script: str,
        keys: Sequence[bytes],
        first: Sequence[Argument],
        again: Sequence[Argument],
        patience_s: float,
    ) -> Any:
        """As `run`, for a script that wants to know whether it is sent again."""
        loaded = load(script)
        sent = [first]

        async def send(wire: Wire) -> Any:
            arguments = sent.pop() if sent else again
            return await self._evaluate(wire, loaded, keys, arguments)

        return await self.insist(send, patience_s, what=script)

    async def run_replicated(
        self,
        barrier: bytes,
        script: str,
        keys: Sequence[bytes],
        first: Sequence[Argument],
        again: Sequence[Argument],
        patience_s: float,
    ) -> Any:
        """As `run_repeating`, and answered when a replica has all that the server had then. `barrier` is a key of the
        shard for this alone: WAIT speaks of what was written on its own connection, and a repeat may write nothing."""
        loaded = load(script)
        sent = [first]
        confirm = packed("SET", barrier, "") + packed("WAIT", 1, _WAIT_MS)

        async def send(wire: Wire) -> Any:
            arguments = sent.pop() if sent else again
            words = call(loaded, keys, arguments) + confirm
            reply, _, replicas = await wire.ask(words, 3)
            if is_unknown(reply):
                reply, _, replicas = await teach(wire, loaded.library, words, 3)
            for answer in (reply, replicas):
                if isinstance(answer, Exception):
                    raise answer
            if not replicas:
                raise TimeoutError("no replica has confirmed that it has it")
            return reply

        if self._apart is None:
            self._apart = Link(self.owner.twin(), name=self._name, opening=self._opening)
        return await self._apart.insist(send, patience_s, what=script)

    async def run_pair(
        self,
        calls: Sequence[tuple[str, Sequence[bytes], Sequence[Argument]]],
        *,
        patience_s: float = PATIENCE_S,
    ) -> list[Any]:
        """The replies of several scripts, sent in one trip, in order; each is a transition of its own."""
        loaded = [(load(script), keys, arguments) for script, keys, arguments in calls]

        words = b"".join(call(script, keys, arguments) for script, keys, arguments in loaded)

        async def trip(wire: Wire) -> list[Any]:
            replies = await wire.ask(words, len(loaded))
            for at, reply in enumerate(replies):
                if is_unknown(reply):
                    # the scripts behind it ran or failed by themselves; each is safe to send again
                    replies[at] = await self._evaluate(wire, *loaded[at])
                elif isinstance(reply, Exception):
                    raise reply
            return replies

        result: list[Any] = await self.insist(trip, patience_s, what="+".join(script for script, _, _ in calls))
        return result

    async def command(self, *words: Argument, patience_s: float = PATIENCE_S) -> Any:
        """The reply of a plain command that is safe to send twice."""
        return await self.insist(lambda wire: wire.execute(*words), patience_s, what=str(words[0]))

    async def insist(self, send: Callable[[Wire], Awaitable[Any]], patience_s: float, *, what: str) -> Any:
        """The answer of `send`, called again until it comes or `patience_s` seconds have passed, each time with a
        wire to the server that owns the shard then. `what` names the command or script. Raises ClientClosed after
        `close`: what is opened then is closed by nobody."""
        give_up = clock.monotonic() + patience_s
        pause, told = _FIRST_PAUSE_S, ""
        doubt = False
        """may an earlier sending have taken effect?"""
        while True:
            if self._closed:
                raise ClientClosed("this client has been closed; make a new one")
            wire = self.owner.at_hand if self._opening is None else None
            try:
                if wire is not None and give_up - clock.monotonic() >= COMMAND_TIMEOUT_S:
                    return await send(wire)  # the wire keeps the time, for less than a limit of its own takes
                async with asyncio.timeout(min(COMMAND_TIMEOUT_S, give_up - clock.monotonic())):
                    wire = await self.owner.wire()
                    if self._opening is not None:
                        await self._opening(wire)
                        self._opening = None
                    return await send(wire)
            except RedisError as error:
                if not passing(error):
                    refusal = translated(error, self._name)
                    if doubt and what not in READS and isinstance(refusal, StoreFull):
                        # full of what it had taken in, perhaps
                        raise StoreUnavailable(f"{refusal.args[0].partition(';')[0]}, and {_DOUBT}") from error
                    raise refusal from error
                trouble: Exception = error
            except OSError as error:
                trouble = error
            doubt = doubt or not isinstance(trouble, ResponseError)
            await self.owner.heed(trouble, wire)
            told = _told(trouble) or told  # an earlier sending may know more than one that was cut short
            if clock.monotonic() + pause > give_up:
                said = f"{self._name} did not answer {what} within {patience_s:g} s ({told or 'no answer came'})"
                raise StoreUnavailable(said if what in READS else f"{said}; {_DOUBT}") from trouble
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _evaluate(self, wire: Wire, script: Script, keys: Sequence[bytes], arguments: Sequence[Argument]) -> Any:
        words = call(script, keys, arguments)
        (reply,) = await wire.ask(words)
        if is_unknown(reply):
            try:
                (reply,) = await teach(wire, script.library, words, 1)
            except OutOfMemoryError:  # what makes room has to run all the same
                (reply,) = await wire.ask(packed("EVAL", script.alone(), len(keys), *keys, *arguments))
        if isinstance(reply, Exception):
            raise reply
        return reply


def call(script: Script, keys: Sequence[bytes], arguments: Sequence[Argument]) -> bytes:
    """The packed command that runs a script."""
    return packed("FCALL", script.function, len(keys), *keys, *arguments)


def passing(error: Exception) -> bool:
    """Is it weather, so that the same command may succeed in a moment?"""
    error = _bare(error)
    if isinstance(error, _REFUSED) or _distrust(error):
        return False
    if isinstance(error, ResponseError) and not isinstance(error, _PASSING):
        return str(error).startswith(_PASSING_WORDS) or _SLOT_MOVES in str(error)
    return isinstance(error, _PASSING)


def translated(error: Exception, name: str) -> StoreError:
    """The error of ours that says what a server's error means."""
    error = _bare(error)
    if isinstance(error, OutOfMemoryError) or str(error).startswith("OOM"):
        return StoreFull(
            f"{name} has no memory left for new jobs; nothing was stored. Give it more, or let jobs finish"
        )
    if isinstance(error, _REFUSED):
        return StoreDenied(f"{name} does not let us in: {error}")
    if fault := _distrust(error):
        return StoreDenied(f"{name}: no TLS connection comes about: {fault}")
    return StoreError(f"{name} answered with an error: {error}")


def _told(trouble: Exception) -> str:
    """What is in the way, in a few words; none if nothing is known but that no answer came."""
    if isinstance(trouble, AskError | TryAgainError) or _SLOT_MOVES in str(trouble):
        return "the slot of this shard is on its way to another node of the cluster"
    cause = trouble.__cause__ or trouble.__context__
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno).lower()
    return str(trouble)


def _distrust(error: BaseException) -> str:
    """Why one side does not accept the other in TLS; nothing if that is not what is wrong."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            if isinstance(seen, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError) or not seen.reason:
                return ""  # the line broke
            if isinstance(seen, ssl.SSLCertVerificationError):
                return f"{seen.verify_message}; the URL names the authority to trust as ?ca=/path/to/ca.pem"
            return seen.reason
        seen = seen.__cause__ or seen.__context__
    return ""


def _bare(error: Exception) -> Exception:
    """What the server said when it did not let a connection begin; the client wraps it."""
    cause = error.__cause__
    return cause if isinstance(error, RedisConnectionError) and isinstance(cause, RedisError) else error


def pairs(reply: Any) -> list[tuple[bytes, bytes]]:
    """The pairs in a reply, which comes flat, nested or as a map, by protocol and command."""
    if isinstance(reply, Mapping):
        return list(reply.items())
    if reply and isinstance(reply[0], list | tuple):
        return [(pair[0], pair[1]) for pair in reply]
    return list(zip(reply[::2], reply[1::2], strict=True))
