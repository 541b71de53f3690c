"""An actor: one duty with one lifecycle."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import final

from anyio import Event

Report = Callable[[str, BaseException], None]
"""Told the name of an actor and what broke in it, at once, whatever becomes of the error later. It must not raise."""


class ActorError(Exception):
    """The family of errors that the machinery itself raises."""


class NotStarted(ActorError):
    """Raised by `start` when a stop came before the actor was ready, and by whatever needs a started actor."""


class EndedUnasked(ActorError):
    """What an actor died of when it ended without an error although nobody had asked it to stop."""


class Actor(ABC):
    """One duty with one lifecycle: start, then down the stairs quiet, drain, interrupt, stop.

    A subclass writes `life`: what it opens, a `yield`, what it closes. A task of the actor's own, its host, walks
    through it, so a task group is at home there and belongs to no caller: no cancellation from outside reaches it, and
    a child that raises takes nobody along. From `life` alone follows that `start` returns when ready and `stop` when
    done, that both are harmless twice, and that a failed start undoes what it had opened.

    `quiet`, `drain` and `interrupt` are for actors that have something running for others. They may come at any time
    after the start, more than once, and `interrupt` without a `drain` before it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._life: _Life | None = None

    @abstractmethod
    def life(self) -> AbstractAsyncContextManager[None]:
        """All that the actor has, from ready to done: an `asynccontextmanager` that yields once.

        When the stop comes, the code behind the `yield` runs, not cancelled and without a time limit. Only a start that
        is broken off shows as a cancellation, in the code before the `yield`. When a child of a task group breaks, its
        error comes out of the group instead, so what must be closed even then belongs into a `finally` around it.
        """

    @property
    def ready(self) -> bool:
        """Whether the actor has started and nothing has ended it yet."""
        return self._life is not None and self._life.opened and not self._life.closing

    @property
    def alive(self) -> bool:
        """Whether there is anything left of the actor: opening, ready or still closing."""
        return self._life is not None and not self._life.host.done()

    @final
    async def start(self) -> None:
        """Open the actor and return when it is ready; at once if it is.

        Raises what the opening raised, with all undone, and `NotStarted` if a stop came first. When it is cancelled,
        the opening is broken off; `stop` then waits until that is done.
        """
        if self._life is not None and self._life.closing:
            await self.stop()
        if self._life is None:
            self._life = _Life(self)
        life = self._life
        try:
            await life.open_or_ended.wait()
        finally:
            if not life.opened:
                life.close()
        if life.host.done():
            self._bury(life)
            raise NotStarted(f"{self.name} was stopped before it was ready")

    async def quiet(self) -> None:  # noqa: B027  many actors take nothing in from outside
        """Take no more. Returns at once; what runs goes on."""

    async def drain(self) -> None:  # noqa: B027  many actors have nothing that runs for others
        """Return when nothing of ours runs any more. May take for ever: the supervisor limits it, by cancelling it."""

    async def interrupt(self) -> None:  # noqa: B027  the same
        """Break off what still runs and return when it has been given back."""

    @final
    async def stop(self) -> None:
        """Free everything and return when that is done; at once if there is nothing to free.

        Raises what the actor had failed of or what its closing raised, so that no error is lost. When it is cancelled,
        it only stops waiting; the closing goes on.
        """
        life = self._life
        if life is not None:
            life.close()
            await life.ended.wait()
            self._bury(life)

    def fail(self, error: BaseException) -> None:
        """Say that this actor cannot go on as it should; the supervisor then takes all down the stairs.

        Nothing is cancelled: the actor lives on until its stop, so that what it runs can be drained and given back.
        """
        if self._life is None:
            raise NotStarted(f"{self.name} cannot fail before it has started") from error
        self._life.fail(error)

    @property
    def failed(self) -> bool:
        """Whether the actor has failed since its start."""
        return self._life is not None and self._life.failed.is_set()

    async def wait_failed(self) -> BaseException:
        """Wait until the actor has failed, for ever if need be, and return why. Raises `NotStarted`."""
        life = self._life
        if life is None:
            raise NotStarted(f"{self.name} has not started")
        await life.failed.wait()
        return life.errors[0]

    def _bury(self, life: _Life) -> None:
        """Forget a life that has ended. Who comes first learns what it died of."""
        if self._life is not life:
            return
        self._life = None
        match life.errors:
            case []:
                return
            case [error]:
                raise error
            case errors:
                raise BaseExceptionGroup(f"{self.name} failed more than once", errors)


class _Life:
    """One life of an actor, from a start to the stop after it, and the host task that walks through it."""

    def __init__(self, actor: Actor) -> None:
        self.opened = False
        self.closing = False
        self.errors: list[BaseException] = []
        self.open_or_ended = Event()
        self.failed = Event()
        self.ended = Event()
        self._stop_asked = Event()
        self._name = actor.name
        self.host = asyncio.create_task(self._walk(actor), name=actor.name)
        self.host.add_done_callback(self._end)

    def close(self) -> None:
        """Begin to end: an open life by its own code, a half-open one by breaking it off. Nothing the second time."""
        if not self.closing:
            self.closing = True
            if self.opened:
                self._stop_asked.set()
            else:
                self.host.cancel()

    def fail(self, error: BaseException) -> None:
        if not any(error is known for known in self.errors):
            self.errors.append(error)
        self.failed.set()

    async def _walk(self, actor: Actor) -> None:
        async with actor.life():
            self.opened = True
            self.open_or_ended.set()
            await self._stop_asked.wait()

    def _end(self, host: asyncio.Task[None]) -> None:
        # A callback, because a task that is cancelled before its first step runs none of its own code.
        error = None if host.cancelled() else host.exception()
        if error is not None:
            self.fail(_sole(error))
        elif not self.closing:
            self.fail(EndedUnasked(f"{self._name} ended although nobody had asked it to"))
        self.closing = True
        self.open_or_ended.set()
        self.ended.set()


def _sole(error: BaseException) -> BaseException:
    """The error itself where a task group had to wrap a single one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
