"""Stop, hurry, abandon, and a task that is cancelled twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from anyio import current_time, sleep

from jobd.actors.supervisor import Shutdown
from tests.actors.cast import Bench, Extra, Journal
from tests.actors.stage import Stage

pytestmark = pytest.mark.asyncio(loop_factories=["autojump"])


async def test_hurry_ends_the_grace_now(journal: Journal) -> None:
    bench = Bench(journal)
    stage = Stage(bench)
    await stage.ready.wait()
    bench.take("short", 5)
    bench.take("long", 60)
    stage.supervisor.request_stop()
    asyncio.get_running_loop().call_later(7, stage.supervisor.hurry)
    assert (await stage.run).stubborn == ()
    assert journal == ["bench open", "short done", "long given back", "bench closed"]
    assert current_time() == 7


async def test_hurry_alone_stops_without_grace(journal: Journal) -> None:
    bench = Bench(journal)
    stage = Stage(bench)
    await stage.ready.wait()
    bench.take("long", 60)
    stage.supervisor.hurry()
    assert (await stage.run).stubborn == ()
    assert journal == ["bench open", "long given back", "bench closed"]
    assert current_time() == 0


async def test_abandon_waits_for_nothing_and_names_what_is_left(journal: Journal) -> None:
    bench, other = Bench(journal), Extra("other", journal)
    stage = Stage(other, bench)
    await stage.ready.wait()
    bench.take_deaf()
    stage.supervisor.hurry()
    asyncio.get_running_loop().call_later(1, stage.supervisor.abandon)
    shutdown = await stage.run
    assert current_time() == 1
    assert shutdown == Shutdown(reason="asked", stubborn=("other", "bench"), error=None)
    bench.mercy.set()
    await bench.stop()
    await other.stop()


async def test_abandon_alone_leaves_at_once(journal: Journal) -> None:
    bench = Bench(journal)
    stage = Stage(bench)
    await stage.ready.wait()
    bench.take("long", 60)
    stage.supervisor.abandon()
    assert (await stage.run).stubborn == ("bench",)
    assert current_time() == 0
    await bench.stop()


@pytest.mark.parametrize("press", ["request_stop", "hurry", "abandon"])
async def test_stop_asked_during_the_start_breaks_it_off(journal: Journal, press: str) -> None:
    slow = Extra("slow", journal, hangs_in="start")
    stage = Stage(Extra("a", journal), slow, Extra("b", journal))
    await slow.hanging.wait()
    getattr(stage.supervisor, press)()
    await stage.run
    assert "b start" not in journal
    assert not stage.ready.is_set()
    if press == "request_stop":
        assert journal == ["a start", "slow start", "a quiet", "a drain", "a stop"]
        assert stage.shutdown.stubborn == ()


async def test_a_start_that_was_broken_off_is_undone_before_the_run_ends() -> None:
    class Slow(Extra):
        @asynccontextmanager
        async def life(self) -> AsyncIterator[None]:
            try:
                await self._step("start")
                yield
            finally:
                await sleep(1)

    slow = Slow("slow", [], hangs_in="start")
    stage = Stage(slow)
    await slow.hanging.wait()
    stage.supervisor.request_stop()
    assert (await stage.run).stubborn == ()
    assert current_time() == 1


async def test_a_second_cancel_of_the_task_ends_the_waiting(journal: Journal) -> None:
    bench = Bench(journal)
    stage = Stage(bench)
    await stage.ready.wait()
    bench.take("long", 60)
    stage.run.cancel()
    asyncio.get_running_loop().call_later(1, stage.run.cancel)
    with pytest.raises(asyncio.CancelledError):
        await stage.run
    assert current_time() == 1
    assert stage.shutdown == Shutdown(reason="cancelled", stubborn=("bench",), error=None)
    await bench.stop()
