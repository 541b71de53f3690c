from __future__ import annotations

import pytest
from anyio import create_task_group, current_time, sleep_until

from jobd.actors.timer import Tick, Timer

pytestmark = pytest.mark.asyncio(loop_factories=["autojump"])


class Watch:
    """Notes when it was told a tick."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def tell(self, tick: Tick) -> None:
        assert tick == Tick("t")
        self.times.append(current_time())


async def run_until(end: float, timer: Timer, **requests: float) -> None:
    """Run the timer until `end`, and make a request of it `at` or `within` something at the time 12."""
    async with create_task_group() as tasks:
        tasks.start_soon(timer.run)
        if requests:
            await sleep_until(12)
            for name, value in requests.items():
                getattr(timer, name)(value)
        await sleep_until(end)
        tasks.cancel_scope.cancel()


async def test_it_ticks_at_once_and_then_every_interval() -> None:
    watch = Watch()
    await run_until(35, Timer(watch.tell, Tick("t"), interval=10, jitter=0))
    assert watch.times == [0, 10, 20, 30]


async def test_jitter_only_shortens_the_pause() -> None:
    dice = iter([0.0, 1.0, 0.5, 0.0])
    watch = Watch()
    await run_until(35, Timer(watch.tell, Tick("t"), interval=10, jitter=0.2, dice=lambda: next(dice)))
    assert watch.times == [0, 10, 18, 27]


async def test_each_pause_is_thrown_anew_and_never_longer_than_the_interval() -> None:
    watch = Watch()
    await run_until(1000, Timer(watch.tell, Tick("t"), interval=10, jitter=0.5))
    pauses = [after - before for before, after in zip(watch.times, watch.times[1:], strict=False)]
    assert all(5 <= pause <= 10 for pause in pauses)
    assert len(set(pauses)) > 10


async def test_asked_for_an_earlier_tick_it_counts_the_interval_from_there() -> None:
    watch = Watch()
    await run_until(35, Timer(watch.tell, Tick("t"), interval=10, jitter=0), at=15)
    assert watch.times == [0, 10, 15, 25]


async def test_within_is_a_time_from_now() -> None:
    watch = Watch()
    await run_until(22, Timer(watch.tell, Tick("t"), interval=10, jitter=0), within=1)
    assert watch.times == [0, 10, 13]


async def test_asked_for_a_time_that_has_passed_it_ticks_now() -> None:
    watch = Watch()
    await run_until(21, Timer(watch.tell, Tick("t"), interval=10, jitter=0), at=3)
    assert watch.times == [0, 10, 12]


async def test_asked_for_a_later_tick_it_keeps_its_time() -> None:
    watch = Watch()
    await run_until(25, Timer(watch.tell, Tick("t"), interval=10, jitter=0), at=22)
    assert watch.times == [0, 10, 20]


async def test_asked_before_it_runs_it_has_its_first_tick_anyway() -> None:
    watch = Watch()
    timer = Timer(watch.tell, Tick("t"), interval=10, jitter=0)
    timer.within(5)
    await run_until(15, timer)
    assert watch.times == [0, 10]


@pytest.mark.parametrize(("interval", "jitter"), [(0, 0.1), (-1, 0.1), (1, 1.0), (1, -0.1)])
async def test_what_is_not_a_timer_is_refused(interval: float, jitter: float) -> None:
    with pytest.raises(ValueError, match="not a timer"):
        Timer(Watch().tell, Tick(), interval=interval, jitter=jitter)
