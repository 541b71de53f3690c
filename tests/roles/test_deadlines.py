"""Deadlines: each is called once its time has come, and none that was dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from jobd import clock
from jobd.roles.worker.deadlines import Deadlines
from tests.actors.autojump import AutojumpLoop


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[AutojumpLoop]:
    """Its clock is the only one, and jumps to the next timer."""
    loop = AutojumpLoop()
    monkeypatch.setattr(clock, "monotonic", loop.time)
    faults: list[object] = []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    yield loop
    loop.close()
    assert faults == []


def timers() -> int:
    """How many are set in the loop that runs."""
    loop: Any = asyncio.get_running_loop()
    return len([timer for timer in loop._scheduled if not timer.cancelled()])


def test_each_is_called_when_its_time_has_come_by_one_timer(loop: AutojumpLoop) -> None:
    called: list[tuple[str, float]] = []

    def late(name: str) -> None:
        called.append((name, loop.time()))

    async def run() -> None:
        deadlines = Deadlines()
        for name, seconds in (("late", 5.0), ("soon", 1.0), ("same", 1.0), ("between", 3.0)):
            deadlines.add(seconds, partial(late, name))
            assert timers() == 1
        await asyncio.sleep(3.5)
        assert timers() == 1
        await asyncio.sleep(3.5)
        assert timers() == 0

    loop.run_until_complete(run())
    assert called == [("soon", 1.0), ("same", 1.0), ("between", 3.0), ("late", 5.0)]


def test_one_that_was_dropped_is_not_called_however_many_are(loop: AutojumpLoop) -> None:
    called: list[int] = []

    async def run() -> None:
        deadlines = Deadlines()
        numbers = [deadlines.add(10.0 + number, partial(called.append, number)) for number in range(300)]
        for number in numbers[:299]:
            deadlines.drop(number)
        assert len(deadlines._heap) < 100  # those that are dropped do not pile up
        await asyncio.sleep(1_000)

    loop.run_until_complete(run())
    assert called == [299]


def test_none_is_called_when_all_is_closed(loop: AutojumpLoop) -> None:
    called: list[str] = []

    async def run() -> None:
        deadlines = Deadlines()
        deadlines.close()  # there may be none
        deadlines.add(1.0, lambda: called.append("one"))
        deadlines.close()
        assert timers() == 0
        await asyncio.sleep(2.0)

    loop.run_until_complete(run())
    assert called == []
