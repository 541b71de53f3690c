"""One heap of deadlines for all running jobs, and one timer for the earliest."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

from jobd import clock


class Deadlines:
    """Calls each `late` callback once its time has come, unless it was dropped before."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._dropped: set[int] = set()
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, seconds: float, late: Callable[[], None]) -> int:
        """`late` is called in so many seconds. Returns a number to drop it by."""
        number = next(self._numbers)
        heapq.heappush(self._heap, (clock.monotonic() + seconds, number, late))
        if self._heap[0][1] == number:
            self._set_timer()
        return number

    def drop(self, number: int) -> None:
        """This one is met. It leaves the heap when its time would have come, or when there are too many like it."""
        self._dropped.add(number)
        if len(self._dropped) > 64 + len(self._heap) // 2:
            self._heap = [entry for entry in self._heap if entry[1] not in self._dropped]
            heapq.heapify(self._heap)
            self._dropped.clear()

    def close(self) -> None:
        """No more calls."""
        self._heap.clear()
        self._dropped.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0.0, self._heap[0][0] - clock.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._ring)

    def _ring(self) -> None:
        self._timer = None
        while self._heap and self._heap[0][0] <= clock.monotonic():
            _, number, late = heapq.heappop(self._heap)
            if number in self._dropped:
                self._dropped.discard(number)
            else:
                late()
        if self._heap:
            self._set_timer()
