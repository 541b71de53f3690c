"""A clock that tells an actor to look again."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NoReturn, TypeVar

from anyio import CancelScope, current_time, sleep_forever

from jobd.actors.mailbox import Wakeup

W = TypeVar("W", bound=Wakeup)


@dataclass(frozen=True, slots=True)
class Tick(Wakeup):
    """Time has passed. The name tells the timers of one actor apart."""

    name: str = ""


class Timer:
    """Tells a wake-up when it starts to run, then at the latest every `interval` seconds, and earlier when asked.

    Each pause is shortened by a random part of up to `jitter` (0 to 1) of it, so that many processes which started
    together do not knock together. Its clock is that of the event loop (`anyio.current_time`).
    """

    def __init__(
        self,
        tell: Callable[[W], None],
        wakeup: W,
        *,
        interval: float,
        jitter: float = 0.1,
        dice: Callable[[], float] = random.random,
    ) -> None:
        if interval <= 0 or not 0 <= jitter < 1:
            raise ValueError(f"not a timer: interval {interval} (more than 0), jitter {jitter} (0 to less than 1)")
        self._tick = partial(tell, wakeup)
        self._interval = interval
        self._jitter = jitter
        self._dice = dice
        self._nap: CancelScope | None = None

    def at(self, when: float) -> None:
        """Tick no later than `when`, a time of the loop's clock.

        An earlier tick settles it: whoever hears a tick looks anew and asks again.
        """
        if self._nap is not None and when < self._nap.deadline:
            self._nap.deadline = when

    def within(self, seconds: float) -> None:
        """Tick no later than in so many seconds."""
        self.at(current_time() + seconds)

    async def run(self) -> NoReturn:
        """Tick until cancelled."""
        due = -math.inf
        while True:
            with CancelScope(deadline=due) as self._nap:
                await sleep_forever()
            self._tick()
            due = current_time() + self._interval * (1 - self._jitter * self._dice())
