"""How many jobs a worker takes in hand. Those that its slots run, and while jobs take less time than a trip to the
store, some more, so that it need not wait for the next ones: server and worker then work at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from jobd.domain.delivery import Delivery
from jobd.roles.worker.slots import Slots

MOST_AHEAD = 200
"""jobs that wait in a worker for a slot"""
LOOK_S = 0.05
"""a job that waits in a worker for longer than this goes back to the others"""
_FIRST = 16


class Appetite:
    """Grows while the slots run dry before the next jobs come; shrinks when a job has waited for a slot too long."""

    def __init__(
        self, slots: Slots, give_back: Callable[[list[Delivery]], None], *, most_ahead: int = MOST_AHEAD
    ) -> None:
        """Of these slots. `give_back` is handed the jobs that have waited too long; `most_ahead` may wait at a time."""
        self.ahead = 0
        """jobs that may wait for a slot now"""
        self.pays = False
        """did the last fetch bring all that was asked for?"""
        self._slots = slots
        self._give_back = give_back
        self._most_ahead = most_ahead
        self._begun = 0
        """at the last look"""
        self._is_late = False
        """did the last look come late?"""
        self._next_look: asyncio.TimerHandle | None = None

    @property
    def want(self) -> int:
        """How many jobs to fetch now. Two fetches make the whole: one is run while the other comes."""
        whole = self._slots.size + self.ahead
        return max(0, min(whole - self._slots.busy, max(self._slots.size, -(-whole // 2))))

    def fetched(self, count: int, wanted: int) -> None:
        """So many have come of those wanted; they are not in the slots yet."""
        paid, self.pays = self.pays, 0 < count == wanted
        if paid and self.pays and 2 * self._slots.busy <= self._slots.size:
            self.ahead = min(self._most_ahead, max(_FIRST, 2 * self.ahead))

    def watch(self) -> None:
        """Looks a moment later whether all that waits in the slots has found its turn."""
        if (self.ahead or self._slots.free < 0) and self._slots.to_come and self._next_look is None:
            loop = asyncio.get_running_loop()
            due = loop.time() + LOOK_S
            self._next_look = loop.call_at(due, self._look, self._slots.given, due)

    def _look(self, given: int, due: float) -> None:
        begun, self._next_look = self._slots.begun, None
        # where the whole process was held up, a look says nothing of the jobs; but if it is again, they may be why
        was_late, self._is_late = self._is_late, asyncio.get_running_loop().time() >= due + LOOK_S
        if begun < given and (was_late or not self._is_late):
            self.ahead = min(self.ahead, (begun - self._begun) // 2)
            self._give_back(self._slots.take_back())
        self._begun = begun
        self.watch()
