"""An actor that hears messages."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Generic, NoReturn, TypeVar

from anyio import create_task_group, current_time, sleep

from jobd.actors.actor import Actor, ActorError, Report
from jobd.actors.mailbox import Mailbox
from jobd.actors.patience import Crashes, Patience
from jobd.actors.timer import Timer

M = TypeVar("M")


class StrayCancellation(ActorError):
    """What `handle` crashed of when something it awaited had been cancelled by a stranger, not the actor itself."""


class MessageActor(Actor, Generic[M]):
    """An actor with one ear: its mailbox. It handles one message at a time, so a role needs no locks inside.

    What takes long is a task that the role owns (a subclass may open a task group in its `life`, around that of this
    class) and whose end arrives as a message.

    When `handle` raises, the message is gone, the error is reported, and after a pause the next message is taken by the
    same object, with its mailbox and timers as they were. After more crashes than its patience allows the actor has
    failed; it still goes on as well as it can until it is stopped, because what it has running must be drained.
    """

    timers: Sequence[Timer] = ()
    """The timers that run as long as the actor lives; a subclass sets them when it is made."""

    def __init__(self, name: str, *, report: Report, capacity: int = 1000, patience: Patience | None = None) -> None:
        super().__init__(name)
        self.mailbox: Mailbox[M] = Mailbox(capacity)
        self._report = report
        self._crashes = Crashes(patience or Patience())

    @abstractmethod
    async def handle(self, message: M) -> None:
        """Deal with one message. Whatever it raises is a crash."""

    def tell(self, message: M) -> None:
        """Put a message into the mailbox; it waits there if the actor has not started. Raises `MailboxFull`."""
        self.mailbox.tell(message)

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """Hear messages and run the timers. A subclass wraps it in whatever else it needs."""
        async with create_task_group() as tasks:
            tasks.start_soon(self._hear, name=f"{self.name} hears")
            for timer in self.timers:
                tasks.start_soon(timer.run, name=f"{self.name} ticks")
            yield
            tasks.cancel_scope.cancel()

    async def drain(self) -> None:
        """Return when every message that was told has been handled."""
        if self.ready:
            await self.mailbox.wait_idle()

    async def _hear(self) -> NoReturn:
        while True:
            message = await self.mailbox.receive()
            try:
                await self.handle(message)
            except asyncio.CancelledError as error:
                if _asked_to_end():
                    raise
                stray = StrayCancellation(f"{self.name} awaited something that a stranger had cancelled")
                stray.__cause__ = error
                await self._crashed(stray)
            except Exception as error:  # noqa: BLE001  it is reported, and past the limit it goes up
                await self._crashed(error)

    async def _crashed(self, error: Exception) -> None:
        self._report(self.name, error)
        self._crashes.add(current_time())
        if self._crashes.too_many and not self.failed:
            self.fail(error)
        await sleep(self._crashes.pause)


def _asked_to_end() -> bool:
    """Whether this task itself is being cancelled: awaiting a future that a stranger cancelled looks the same."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
