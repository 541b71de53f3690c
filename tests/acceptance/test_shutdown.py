"""The way down, in each shape: nothing new starts, what can end ends, the rest is given back, and the exit is clean."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from jobd_testbed import Entry, block, deaf, write, write_sync
from jobd_testbed.journal import read

import jobd
from jobd.domain.outcome import Ending
from jobd.domain.state import State
from tests.acceptance.conftest import StartFleet
from tests.acceptance.fleet import Fleet, Shape, first
from tests.acceptance.program import PATIENCE_S, Program
from tests.acceptance.until import until

GRACE_S = 5.0
SHORT_S = 2.5
"""more than it takes to start all, and so much less than the grace that a busy machine ends them in it"""
BROKEN_OFF_S = 30.0
"""what is back by then has not waited for handlers, which run for longer"""
ENDLESS_S = 600.0


def grace(seconds: float) -> dict[str, str]:
    return {"JOBD_WORKER__GRACE": f"{seconds}s", "JOBD_WORKER__LEASE": "5s"}


def entries(journal: Path, word: str, count: int, seconds: float) -> list[Entry]:
    return [Entry(journal=journal, key=f"{word}-{number}", seconds=seconds) for number in range(count)]


def keys(journal: Path, what: str) -> set[str]:
    return {line.key for line in read(journal) if line.what == what}


async def go_down(program: Program, ask: Callable[[], None]) -> float:
    """When it was asked, by the wall clock. It waits for no handler that is endless."""
    asked_at = time.time()
    ask()
    assert await asyncio.to_thread(program.wait_ended) == 0
    assert not program.left()
    return asked_at


async def running(fleet: Fleet, journal: Path, *batches: list[Entry], concurrency: int) -> list[str]:
    """Enqueues them, and waits until as many as there are slots run. Their ids."""
    async with jobd.Client(fleet.url) as client:
        handles = await client.enqueue_many(write, [entry for batch in batches for entry in batch])
        await until(lambda: len(keys(journal, "start")) == concurrency)
    return [handle.id for handle in handles]


@pytest.mark.parametrize("ask", ["a-signal", pytest.param("ctrl-c", marks=pytest.mark.long)])
async def test_200_running_sleeps_end_or_are_given_back(start_fleet: StartFleet, journal: Path, ask: str) -> None:
    with start_fleet("--concurrency", "200", environment=grace(GRACE_S)) as fleet:
        long, short = entries(journal, "long", 150, ENDLESS_S), entries(journal, "short", 50, SHORT_S)
        waiting = entries(journal, "waiting", 30, 0.0)
        ids = await running(fleet, journal, long, short, waiting, concurrency=200)
        program = fleet.worker
        asked_at = await go_down(
            program, program.press_ctrl_c if ask == "ctrl-c" else lambda: program.signal(signal.SIGTERM)
        )
        assert keys(journal, "start") == {entry.key for entry in long + short}  # no new one has started
        assert keys(journal, "end") == {entry.key for entry in short}

        program.start()
        program.wait_up()
        async with jobd.Client(fleet.url) as client:
            await until(lambda: _starts(journal, "long") >= 300)  # all of them run again, and nothing waits behind
            for job_id, entry in zip(ids, long + short, strict=False):
                job = await client.get(job_id)
                first = job.attempts[0]
                if entry in short:
                    assert (job.status, job.attempt, first.outcome) == (State.COMPLETED, 1, Ending.RETURNED)
                    continue
                # the attempt that was broken off is remembered, and not spent
                assert (job.attempt, first.number, first.outcome) == (1, 1, Ending.INTERRUPTED)
                assert first.finished_at is not None
                assert first.finished_at.timestamp() - asked_at < GRACE_S + BROKEN_OFF_S
            for job_id in ids[200:]:
                assert await client.result(job_id, PATIENCE_S) == 1


def _starts(journal: Path, word: str) -> int:
    return sum(line.what == "start" and line.key.startswith(word) for line in read(journal))


async def test_with_nothing_to_do_it_ends_at_once(start_fleet: StartFleet) -> None:
    with start_fleet(environment=grace(ENDLESS_S), api=True) as fleet:
        for program in reversed(fleet.programs):
            await go_down(program, lambda: program.signal(signal.SIGTERM))  # noqa: B023  asked at once


@pytest.mark.parametrize("shape", [Shape.ONE_PROCESS, Shape.WORKER_CHILD], ids=str)
async def test_the_api_is_not_ready_from_the_signal_on_and_still_takes_jobs_while_others_end(
    start_fleet: StartFleet, journal: Path
) -> None:
    with start_fleet("--concurrency", "1", environment=grace(ENDLESS_S), api=True) as fleet:
        (last,) = await running(fleet, journal, entries(journal, "last", 1, ENDLESS_S), concurrency=1)
        program = fleet.worker
        async with aiohttp.ClientSession(base_url=fleet.api) as http:

            async def not_ready() -> bool:
                async with http.get("/readyz") as answer:
                    return answer.status == 503

            program.signal(signal.SIGTERM)
            await until(not_ready)
            async with http.post("/jobs", json={"type": "add", "id": "late", "data": {"a": 1, "b": 2}}) as answer:
                assert answer.status == 201
            async with http.get("/jobs/late") as answer:
                assert (await answer.json())["status"] == "waiting"
            async with http.post(f"/api/v1/jobs/{last}/cancel", json={}) as answer:
                assert answer.status in (200, 202)
        # that was all it waited for
        assert await asyncio.to_thread(program.wait_ended) == 0
        program.start()
        program.wait_up()
        async with jobd.Client(fleet.url) as client:
            assert await client.result("late", PATIENCE_S) == 3
            assert (await client.get(last)).status == State.CANCELLED


@first(Shape.WORKER_CHILD)
async def test_a_second_signal_hurries(start_fleet: StartFleet, journal: Path) -> None:
    with start_fleet("--concurrency", "20", environment=grace(ENDLESS_S)) as fleet:
        ids = await running(fleet, journal, entries(journal, "long", 20, ENDLESS_S), concurrency=20)
        program = fleet.worker
        program.signal(signal.SIGTERM)
        await until(lambda: "stopping" in program.log.read_text())
        await go_down(program, lambda: program.signal(signal.SIGTERM))
        program.start()
        program.wait_up()
        async with jobd.Client(fleet.url) as client:
            await until(lambda: _starts(journal, "long") >= 40)
            jobs = [await client.get(job_id) for job_id in ids]
        assert {(job.attempt, job.attempts[0].outcome) for job in jobs} == {(1, Ending.INTERRUPTED)}


@first(Shape.ONE_PROCESS)
@pytest.mark.parametrize("job_type", [write_sync, deaf], ids=lambda job_type: str(job_type.name))
async def test_what_does_not_heed_the_end_is_given_back_all_the_same(
    start_fleet: StartFleet, journal: Path, job_type: jobd.JobType[Entry, Any]
) -> None:
    """Threads, which nobody can stop, and handlers that swallow their cancellation."""
    with start_fleet(environment=grace(1)) as fleet:
        await assert_given_back(fleet, job_type, Entry(journal=journal, key="stubborn", seconds=ENDLESS_S))


@pytest.mark.parametrize("shape", [Shape.WORKER_CHILD], ids=str)
async def test_a_child_whose_loop_hangs_is_ended_and_its_jobs_are_given_back(start_fleet: StartFleet) -> None:
    with start_fleet(environment=grace(1)) as fleet:
        await assert_given_back(fleet, block, {"seconds": ENDLESS_S})


async def assert_given_back(fleet: Fleet, job_type: jobd.JobType[Any, Any], payload: object) -> None:
    """A job that runs is back soon after the grace, its attempt not spent, and the exit is clean."""
    async with jobd.Client(fleet.url) as client:
        handle = await client.enqueue(job_type, payload)
        await until(lambda: _is_active(client, handle.id))
    program = fleet.worker
    asked_at = await go_down(program, lambda: program.signal(signal.SIGTERM))
    program.start()
    program.wait_up()
    async with jobd.Client(fleet.url) as client:
        await until(lambda: _runs_again(client, handle.id))
        first = (await client.get(handle.id)).attempts[0]
        assert (first.number, first.outcome) == (1, Ending.INTERRUPTED)
        assert first.finished_at is not None
        assert first.finished_at.timestamp() - asked_at < 1 + BROKEN_OFF_S


async def _is_active(client: jobd.Client, job_id: str) -> bool:
    return (await client.get(job_id)).status == State.ACTIVE


async def _runs_again(client: jobd.Client, job_id: str) -> bool:
    return (await client.get(job_id)).deliveries >= 2
