from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
from anyio import Event, create_task_group, current_time, sleep

from jobd.actors.actor import Actor
from jobd.actors.supervisor import Shutdown, Supervisor
from tests.actors.cast import Bench, Broken, Clerk, Extra, Journal
from tests.actors.stage import Stage

pytestmark = pytest.mark.asyncio(loop_factories=["autojump"])


async def test_actors_start_in_order_and_go_down_the_stairs_in_reverse(journal: Journal) -> None:
    stage = Stage(Extra("a", journal), Extra("b", journal, hangs_in="drain"), Extra("c", journal))
    await stage.ready.wait()
    assert journal == ["a start", "b start", "c start"]
    journal.clear()
    stage.supervisor.request_stop()
    assert await stage.run == Shutdown(reason="asked", stubborn=(), error=None)
    assert journal == [
        *("c quiet", "b quiet", "a quiet"),
        *("c drain", "b drain"),
        *("b interrupt", "a interrupt"),
        *("c stop", "b stop", "a stop"),
    ]


async def test_an_actor_is_drained_after_those_that_were_built_on_it(journal: Journal) -> None:
    bench = Bench(journal)
    stage = Stage(Extra("a", journal), bench)
    await stage.ready.wait()
    bench.take("job", 5)
    stage.supervisor.request_stop()
    await stage.run
    assert journal.index("job done") < journal.index("a drain")


async def test_the_grace_is_one_for_all(journal: Journal) -> None:
    first, second = Bench(journal, "first"), Bench(journal, "second")
    stage = Stage(first, second, grace=10)
    await stage.ready.wait()
    first.take("long", 60)
    second.take("long", 60)
    stage.supervisor.request_stop()
    await stage.run
    assert current_time() == 10


async def test_with_nothing_running_the_way_down_takes_no_time() -> None:
    stage = Stage(Extra("a", []), Bench([]), Clerk(interval=1))
    await stage.ready.wait()
    stage.supervisor.request_stop()
    await stage.run
    assert current_time() == 0


@pytest.mark.parametrize("step", ["quiet", "interrupt", "stop"])
async def test_an_actor_that_hangs_in_a_short_step_is_left_behind_and_named(journal: Journal, step: str) -> None:
    stuck = Extra("stuck", journal, hangs_in=step)
    if step == "interrupt":
        stuck.breaks_in = "drain"
    stage = Stage(Extra("a", journal), stuck, Extra("b", journal))
    await stage.ready.wait()
    stage.supervisor.request_stop()
    with suppress(Broken):
        await stage.run
    assert stage.shutdown.stubborn == ("stuck",)
    assert current_time() == 3
    assert [line for line in journal if line.endswith("stop")] == ["b stop", "stuck stop", "a stop"]


async def test_a_drain_that_does_not_hear_its_cancellation_is_left_behind_and_named() -> None:
    mercy = Event()

    class Deaf(Extra):
        async def drain(self) -> None:
            with suppress(asyncio.CancelledError):
                await mercy.wait()
            await mercy.wait()

    stage = Stage(Deaf("deaf", []), grace=10)
    await stage.ready.wait()
    stage.supervisor.request_stop()
    assert (await stage.run).stubborn == ("deaf",)
    assert current_time() == 10
    mercy.set()


@pytest.mark.parametrize("step", ["quiet", "drain", "stop"])
async def test_what_breaks_on_the_way_down_stops_nobody_and_is_reported_and_raised(journal: Journal, step: str) -> None:
    stage = Stage(Extra("a", journal), Extra("b", journal, breaks_in=step), Extra("c", journal))
    await stage.ready.wait()
    stage.supervisor.request_stop()
    with pytest.raises(Broken, match=f"b {step}"):
        await stage.run
    assert stage.reported == [("b", f"b {step}")]
    assert stage.shutdown.reason == "asked"
    assert journal[-3:] == ["c stop", "b stop", "a stop"]
    assert ("b interrupt" in journal) == (step == "drain")


async def test_the_first_failure_is_raised_and_further_ones_reported() -> None:
    first, second, third = Extra("first", []), Extra("second", []), Extra("third", [], breaks_in="stop")
    stage = Stage(first, second, third)
    await stage.ready.wait()
    first.break_now()
    second.break_now()
    with pytest.raises(Broken, match="first"):
        await stage.run
    assert stage.reported == [("third", "third stop"), ("second", "second")]


async def test_an_actor_is_stopped_only_when_those_that_were_built_on_it_are() -> None:
    stops: list[tuple[float, str]] = []

    class Slow(Actor):
        @asynccontextmanager
        async def life(self) -> AsyncIterator[None]:
            yield
            await sleep(1)
            stops.append((current_time(), self.name))

    stage = Stage(Slow("a"), Slow("b"))
    await stage.ready.wait()
    stage.supervisor.request_stop()
    await stage.run
    assert stops == [(1, "b"), (2, "a")]


async def test_actors_from_a_generator_are_made_when_those_before_them_are_ready_and_none_after_a_stop(
    journal: Journal,
) -> None:
    supervisor = Supervisor(report=lambda name, error: None)

    class Last(Actor):
        @asynccontextmanager
        async def life(self) -> AsyncIterator[None]:
            asyncio.get_running_loop().call_soon(supervisor.request_stop)
            yield

    def cast() -> Iterator[Actor]:
        journal.append("a made")
        yield Extra("a", journal)
        journal.append("b made")
        yield Last("b")
        journal.append("c made")
        yield Extra("c", journal)

    await supervisor.run(cast())
    assert journal == ["a made", "a start", "b made", "a quiet", "a drain", "a stop"]


async def test_what_breaks_in_on_ready_takes_all_down(journal: Journal) -> None:
    def broken() -> None:
        raise Broken("on ready")

    supervisor = Supervisor(report=lambda name, error: None)
    with pytest.raises(Broken, match="on ready"):
        await supervisor.run([Extra("a", journal)], on_ready=broken)
    assert journal[-1] == "a stop"


async def test_an_actor_failing_while_a_later_one_starts_takes_all_down(journal: Journal) -> None:
    early, slow = Extra("early", journal), Extra("slow", journal, hangs_in="start")
    stage = Stage(early, slow)
    await slow.hanging.wait()
    early.break_now()
    with pytest.raises(Broken, match="early"):
        await stage.run
    assert not slow.alive


async def test_the_stairs_leave_no_task_behind(journal: Journal) -> None:
    others = asyncio.all_tasks()
    actors: Sequence[Actor] = [Extra("a", journal, hangs_in="drain"), Bench(journal), Clerk(interval=1)]
    stage = Stage(*actors, grace=10)
    await stage.ready.wait()
    stage.supervisor.request_stop()
    await stage.run
    assert asyncio.all_tasks() == others


async def test_a_supervisor_can_run_inside_an_actor(journal: Journal) -> None:
    class Nested(Actor):
        @asynccontextmanager
        async def life(self) -> AsyncIterator[None]:
            inner, ready = Supervisor(report=lambda name, error: None), Event()
            async with create_task_group() as tasks:
                tasks.start_soon(lambda: inner.run([Extra("inner", journal)], on_ready=ready.set))
                await ready.wait()
                yield
                inner.request_stop()

    stage = Stage(Nested("outer"))
    await stage.ready.wait()
    stage.supervisor.request_stop()
    await stage.run
    assert journal == ["inner start", "inner quiet", "inner drain", "inner stop"]
