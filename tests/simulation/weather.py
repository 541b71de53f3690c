"""What befalls the calls of the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import TypeVar

from jobd.errors import StoreUnavailable
from tests.store.model import LATE_MS

T = TypeVar("T")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 1.0
"""as jobd.store.link pauses before it asks again"""


class Weather:
    """The fate of each call, by dice. Calm: all arrive, and soon."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self.calm = False
        self._lost_requests = dice.choice([0, 0, 0.02, 0.2])
        self._lost_replies = dice.choice([0, 0.02, 0.1, 0.3])
        self._slow = dice.choice([0.0005, 0.002, 0.2])
        self.lost_words = dice.choice([0, 0, 0.1, 0.5])
        self._late = dice.choice([0, 0.1, 0.5])
        self.on_their_way = 0
        """requests that are still to come, though nobody waits for them any more"""

    async def travel(self) -> None:
        """One way over the wire."""
        slow = 0.001 if self.calm else self._slow * (20 if self._dice.random() < 0.02 else 1)
        await asyncio.sleep(self._dice.random() * slow)

    def loses_request(self) -> bool:
        """Does it get lost on its way?"""
        return not self.calm and self._dice.random() < self._lost_requests

    def lateness_s(self) -> float | None:
        """In how many seconds does a request come that was lost, as it seemed; None: it never does."""
        if self._dice.random() >= self._late:
            return None
        return LATE_MS / 1_000 + self._dice.expovariate(1 / 10)

    def loses_reply(self) -> bool:
        """Does its answer, after it has taken effect?"""
        return not self.calm and self._dice.random() < self._lost_replies

    def loses_word(self) -> bool:
        """Does a word that a script leaves?"""
        return not self.calm and self._dice.random() < self.lost_words


class Wire:
    """The way of one process to the store: it can be cut for a while, or for good when the process dies."""

    def __init__(self, weather: Weather) -> None:
        self.weather = weather
        self.cut_until = 0.0
        self.dead = False

    @property
    def is_cut(self) -> bool:
        """Does nothing come through now?"""
        return self.dead or asyncio.get_running_loop().time() < self.cut_until

    async def ask(self, act: Callable[[], T], patience_s: float, again: Callable[[], T] | None = None) -> T:
        """The answer of the store. What does not come back is asked again, until the patience is over; `act` is done
        at one moment, perhaps several times, and perhaps when nobody waits for it any more; `again` is what a repeat
        does instead. Raises StoreUnavailable, and what `act` raises."""
        loop = asyncio.get_running_loop()
        give_up, pause = loop.time() + patience_s, _FIRST_PAUSE_S
        while True:
            await self.weather.travel()
            if self.is_cut or self.weather.loses_request():
                lateness_s = None if self.dead else self.weather.lateness_s()
                if lateness_s is not None:
                    self.weather.on_their_way += 1
                    loop.call_later(lateness_s, self._arrive, act)
            else:
                error: Exception | None = None
                try:
                    answer = act()
                except Exception as refused:  # noqa: BLE001  an answer like others: it may be lost too
                    error = refused
                await self.weather.travel()
                if not self.is_cut and not self.weather.loses_reply():
                    if error is not None:
                        raise error
                    return answer
            act = again or act
            if self.dead:
                await asyncio.Event().wait()
            if loop.time() + pause > give_up:
                raise StoreUnavailable("no answer came; it is unknown whether it took effect")
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _arrive(self, act: Callable[[], object]) -> None:
        """It takes effect, and nobody hears the answer."""
        self.weather.on_their_way -= 1
        with suppress(Exception):
            act()
