"""Whatever ends the run, the way down is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from anyio import CancelScope, Event, create_task_group, current_time

from jobd.actors.patience import Patience
from jobd.actors.supervisor import Shutdown, Supervisor
from tests.actors.cast import Bench, Broken, Clerk, Extra, Journal, Say
from tests.actors.stage import Stage

pytestmark = pytest.mark.asyncio(loop_factories=["autojump"])


async def test_stop_asked_jobs_inside_the_grace_end_and_the_long_one_is_given_back(journal: Journal) -> None:
    bench = Bench(journal)
    stage = Stage(Extra("a", []), bench, grace=10)
    await stage.ready.wait()
    bench.take("short", 5)
    bench.take("long", 60)
    stage.supervisor.request_stop()
    await stage.run
    assert journal == ["bench open", "short done", "long given back", "bench closed"]
    assert current_time() == 10


async def test_another_actor_fails_and_the_job_is_given_back_and_the_error_raised(journal: Journal) -> None:
    bench, clerk = Bench(journal), Clerk(patience=Patience(crashes=0))
    clerk.taboo = {"bad"}
    stage = Stage(bench, clerk, grace=10)
    await stage.ready.wait()
    bench.take("short", 5)
    bench.take("long", 60)
    clerk.tell(Say("bad"))
    with pytest.raises(Broken, match="bad") as caught:
        await stage.run
    assert journal == ["bench open", "short done", "long given back", "bench closed"]
    assert stage.shutdown == Shutdown(reason="failed", stubborn=(), error=caught.value)


async def test_another_actor_dies_and_the_job_is_given_back_and_the_error_raised(journal: Journal) -> None:
    bench, other = Bench(journal), Extra("other", [])
    stage = Stage(bench, other, grace=10)
    await stage.ready.wait()
    bench.take("long", 60)
    other.break_now()
    with pytest.raises(Broken, match="other"):
        await stage.run
    assert journal == ["bench open", "long given back", "bench closed"]
    assert other.journal == ["other start", "other stop"]


async def test_a_later_actor_fails_to_start_and_the_earlier_are_stopped_and_the_error_raised(journal: Journal) -> None:
    stage = Stage(Extra("a", journal), Extra("b", journal, breaks_in="start"), Extra("c", journal))
    with pytest.raises(Broken, match="b start"):
        await stage.run
    assert journal == ["a start", "b start", "a quiet", "a drain", "a stop"]
    assert stage.shutdown.reason == "failed"
    assert not stage.ready.is_set()


async def test_stop_asked_before_the_start_and_nothing_starts(journal: Journal) -> None:
    stage = Stage(Extra("a", journal))
    stage.supervisor.request_stop()
    assert await stage.run == Shutdown(reason="asked", stubborn=(), error=None)
    assert journal == []
    assert not stage.ready.is_set()


async def cancel_the_task(run: Callable[[], Awaitable[None]], ready: Event) -> None:
    async def main() -> None:
        await run()

    task = asyncio.create_task(main())
    await ready.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancel_a_scope_around(run: Callable[[], Awaitable[None]], ready: Event) -> None:
    async def cancel_when_ready() -> None:
        await ready.wait()
        scope.cancel()

    async with create_task_group() as tasks:
        tasks.start_soon(cancel_when_ready)
        with CancelScope() as scope:
            await run()
        assert scope.cancelled_caught


@pytest.mark.parametrize("cancel", [cancel_the_task, cancel_a_scope_around])
async def test_cancelled_it_gives_the_job_back_and_the_cancellation_goes_on(
    journal: Journal, cancel: Callable[[Callable[[], Awaitable[None]], Event], Awaitable[None]]
) -> None:
    bench, ready = Bench(journal), Event()
    supervisor = Supervisor(report=lambda name, error: None)

    def begin() -> None:
        bench.take("short", 5)
        bench.take("long", 60)
        ready.set()

    async def run() -> None:
        await supervisor.run([bench], grace=10, on_ready=begin)
        journal.append("went on as if nothing had been")

    await cancel(run, ready)
    assert journal == ["bench open", "short done", "long given back", "bench closed"]
    assert supervisor.shutdown == Shutdown(reason="cancelled", stubborn=(), error=None)
    assert current_time() == 10


async def test_a_handler_swallows_its_cancellation_and_the_supervisor_leaves_on_time(journal: Journal) -> None:
    bench = Bench(journal)
    stage = Stage(Extra("a", journal), bench, grace=10)
    await stage.ready.wait()
    bench.take_deaf()
    stage.supervisor.request_stop()
    assert await stage.run == Shutdown(reason="asked", stubborn=("bench",), error=None)
    assert current_time() == 10 + 3 + 3  # the grace, the last wait for the interrupt, the one for the stop
    assert journal[-1] == "a stop"
    bench.mercy.set()
    await bench.stop()
