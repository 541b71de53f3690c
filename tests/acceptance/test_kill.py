"""kill -9, and what the handlers' journal says of it afterwards."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from jobd_testbed import Entry, write

import jobd
from jobd.domain.state import State
from jobd.store.datadir import running_url
from tests.acceptance.fleet import Fleet, Shape
from tests.acceptance.program import Program
from tests.acceptance.until import until
from tests.acceptance.verdict import UNSETTLED, Verdict, ended, judge

CONCURRENCY = 20
FAST = {"JOBD_WORKER__LEASE": "5s", "JOBD_LOG__FORMAT": "json"}
"""for those who die with nobody there to tell of it, and no shorter: a worker of a busy machine must keep it"""
CALM = {"JOBD_LOG__FORMAT": "json"}
ENDED = 500
"""of 1 000 jobs, when something is killed: more than those of whose end the store may not have heard"""


def entries(journal: Path, count: int) -> list[Entry]:
    return [Entry(journal=journal, key=str(number), seconds=0.02) for number in range(count)]


def run_all(folder: Path, *arguments: str, environment: Mapping[str, str] = FAST) -> Program:
    """The roles that run jobs, with an embedded server on the same data each time."""
    roles = [word for role in ("monitor", "scheduler", "worker") for word in ("--role", role)]
    words = ["--data-dir", str(folder / "data"), "--concurrency", str(CONCURRENCY), *arguments]
    return Program(folder, *roles, *words, environment=environment)


def client_of(folder: Path) -> jobd.Client:
    url = running_url(folder / "data")
    assert url
    return jobd.Client(url)


async def all_completed(client: jobd.Client, count: int) -> bool:
    return (await client.queues())["writing"][State.COMPLETED] == count


def assert_well(verdict: Verdict) -> None:
    assert (verdict.lost, verdict.invented, verdict.rerun_without_cause, verdict.fences_fall) == ([], [], [], [])
    assert len(verdict.rerun) <= UNSETTLED + CONCURRENCY  # those in its hands and those whose end it had not told yet


@pytest.mark.requirement("3.4")
@pytest.mark.parametrize(
    "shape", [Shape.WORKER_CHILD, pytest.param(Shape.PROCESS_PER_ROLE, marks=pytest.mark.long)], ids=str
)
async def test_a_worker_child_is_killed_amid_1000_jobs(
    shape: Shape, server_binary: Path, tmp_path: Path, journal: Path
) -> None:
    with Fleet(shape, tmp_path, server_binary, "--concurrency", str(CONCURRENCY)) as fleet:
        async with jobd.Client(fleet.url) as client:
            await client.enqueue_many(write, entries(journal, 1_000))
            await until(lambda: ended(journal) > ENDED)
            (child,) = fleet.worker.workers()
            os.kill(child, signal.SIGKILL)
            killed_at = time.monotonic()
            await until(lambda: all_completed(client, 1_000))
            jobs = [job for status in ("completed",) for job in (await client.list(status=status, limit=200)).jobs]
            assert {job.attempt for job in jobs} == {1}
    assert_well(judge(journal, [str(number) for number in range(1_000)], killed_at=killed_at))


@pytest.mark.parametrize("processes", [pytest.param("0", marks=pytest.mark.long), "1"])
async def test_the_whole_tree_is_killed_amid_1000_jobs_and_started_again(
    tmp_path: Path, journal: Path, processes: str
) -> None:
    with run_all(tmp_path, "--processes", processes) as jobd_:
        async with client_of(tmp_path) as client:
            await client.enqueue_many(write, entries(journal, 1_000))
        await until(lambda: ended(journal) > ENDED)
        jobd_.kill_all()
        killed_at = time.monotonic()
        jobd_.start()
        jobd_.wait_up()
        async with client_of(tmp_path) as client:
            await until(lambda: all_completed(client, 1_000))
    assert_well(judge(journal, [str(number) for number in range(1_000)], killed_at=killed_at))


@pytest.mark.parametrize("processes", [pytest.param("0", marks=pytest.mark.long), "1"])
async def test_the_embedded_server_is_killed_amid_1000_jobs(tmp_path: Path, journal: Path, processes: str) -> None:
    with run_all(tmp_path, "--processes", processes, environment=CALM) as jobd_:
        async with client_of(tmp_path) as client:
            await client.enqueue_many(write, entries(journal, 1_000))
            await until(lambda: ended(journal) > ENDED)
            os.kill(jobd_.server(), signal.SIGKILL)
            await until(lambda: all_completed(client, 1_000))
    verdict = judge(journal, [str(number) for number in range(1_000)], killed_at=float("inf"))
    # the worker lived on with all that it had: nothing runs twice
    assert (verdict.lost, verdict.invented, verdict.rerun) == ([], [], [])


@pytest.mark.parametrize(
    "busy", [pytest.param(False, id="idle", marks=pytest.mark.long), pytest.param(True, id="with-a-blocked-loop")]
)
async def test_no_process_outlives_a_killed_parent(tmp_path: Path, busy: bool) -> None:
    with run_all(tmp_path) as jobd_:
        if busy:
            async with client_of(tmp_path) as client:
                handle = await client.enqueue("block", {"seconds": 600})
                await until(lambda: _is_active(client, handle.id))
        assert len(jobd_.workers()) == 1
        jobd_.server()
        jobd_.kill()
        await until(lambda: not jobd_.left())


async def _is_active(client: jobd.Client, job_id: str) -> bool:
    return (await client.get(job_id)).status == State.ACTIVE


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_storm_of_kills_loses_nothing(tmp_path: Path, journal: Path) -> None:
    """Children, trees and servers, at random moments, while jobs come in and run."""
    dice = random.Random(20_261_122)
    accepted: list[str] = []
    with run_all(tmp_path) as jobd_:
        for number in range(20):
            async with client_of(tmp_path) as client:
                batch = [Entry(journal=journal, key=f"{number}-{i}", seconds=0.02) for i in range(200)]
                await client.enqueue_many(write, batch)
                accepted += [entry.key for entry in batch]
            wanted = dice.randrange(len(accepted) - 199, len(accepted))
            await until(lambda: ended(journal) >= wanted)  # noqa: B023  awaited within this round
            _harm(dice, jobd_)()
        async with client_of(tmp_path) as client:
            await until(lambda: all_completed(client, len(accepted)), 240)
            assert {job.attempt for job in (await client.list(status="completed", limit=200)).jobs} == {1}
    verdict = judge(journal, accepted, killed_at=float("inf"))
    assert (verdict.lost, verdict.invented, verdict.fences_fall) == ([], [], [])
    assert len(verdict.rerun) < len(accepted) // 2


def _harm(dice: random.Random, jobd_: Program) -> Callable[[], None]:
    def kill_child() -> None:
        for child in jobd_.workers():
            os.kill(child, signal.SIGKILL)

    def kill_tree() -> None:
        jobd_.kill_all()
        jobd_.start()
        jobd_.wait_up()

    def kill_server() -> None:
        os.kill(jobd_.server(), signal.SIGKILL)

    return dice.choice([kill_child, kill_tree, kill_server])
