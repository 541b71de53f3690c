"""The ear for signals of the operating system."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from signal import SIGINT, SIGTERM, Signals

from anyio import create_task_group, open_signal_receiver

from jobd.actors.actor import Actor


class OsSignals(Actor):
    """Answers the first signal with the first answer, the second with the second, every further one with the last.

    For a supervisor the answers are its `request_stop`, `hurry` and `abandon`. As the first of its actors it is started
    first and stopped last, so it hears through the whole way up and down. Needs the main thread.
    """

    def __init__(self, *answers: Callable[[], None], signals: tuple[Signals, ...] = (SIGTERM, SIGINT)) -> None:
        super().__init__("os signals")
        if not answers:
            raise ValueError("a signal needs an answer")
        self._answers = answers
        self._signals = signals

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        with open_signal_receiver(*self._signals) as heard:
            async with create_task_group() as tasks:
                tasks.start_soon(self._answer, heard)
                yield
                tasks.cancel_scope.cancel()

    async def _answer(self, heard: AsyncIterator[Signals]) -> None:
        count = 0
        async for _ in heard:
            answer = self._answers[min(count, len(self._answers) - 1)]
            count += 1
            answer()
