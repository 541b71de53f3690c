"""An event loop for tests, whose clock jumps to the next timer as soon as nothing else can happen.

Hours of waiting take no time and always the same course. For code that waits for timers and its own tasks only: with
threads, processes or sockets about, the clock would jump while they are at work.
"""

from __future__ import annotations

import asyncio
from selectors import SelectorKey, SelectSelector


class AutojumpLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self.now


class _JumpingSelector(SelectSelector):
    def __init__(self, loop: AutojumpLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout == 0:
            return []  # there is enough to do; whatever has happened can be looked at when that is done
        happened = super().select(0)
        if not happened:
            if timeout is None:
                raise RuntimeError("every task waits for another, and no timer will wake them")
            self._loop.now += timeout
        return happened
