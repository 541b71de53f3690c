"""Jobs that take down their process, or hold it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from jobd_testbed import Entry, block, crash, hog, write
from jobd_testbed.journal import read

import jobd
from jobd.domain.outcome import Ending
from jobd.domain.state import State
from tests.acceptance.conftest import StartFleet
from tests.acceptance.fleet import Fleet, Shape, first
from tests.acceptance.program import PATIENCE_S
from tests.acceptance.until import until

SHORT_LEASE = {"JOBD_WORKER__LEASE": "2s"}
THREE_LEASES_S = 6.2


async def test_poison_is_proved_alone_and_its_neighbours_are_innocent(
    server_binary: Path, tmp_path: Path, journal: Path
) -> None:
    with Fleet(Shape.WORKER_CHILD, tmp_path, server_binary, "--concurrency", "10") as fleet:
        async with jobd.Client(fleet.url) as client:
            good = [Entry(journal=journal, key=f"good-{number}", seconds=0.05) for number in range(100)]
            pairs: list[tuple[Any, object]] = [(write, entry) for entry in good]
            pairs.insert(50, (crash, {"how": "kill"}))
            handles = await client.enqueue_many(pairs, queue="writing", max_attempts=7)
            poison = handles.pop(50)
            job = await client.wait(poison.id, PATIENCE_S)
            assert job.status == State.FAILED
            assert (job.error or {})["type"] == "Poison"
            assert "3 times while nothing else ran there" in (job.error or {})["message"]
            # once among others, which proves nothing, and three times alone
            assert [(attempt.number, attempt.outcome) for attempt in job.attempts] == [(1, Ending.LOST)] * 4
            assert all("killed by SIGKILL" in (attempt.reason or "") for attempt in job.attempts)
            for handle in handles:
                assert await handle.result(PATIENCE_S) == 1  # the number of the attempt: none was spent
                assert (await handle.get()).attempt == 1
    starts = Counter(line.key for line in read(journal) if line.what == "start")
    assert set(starts) == {entry.key for entry in good}
    # those who were its neighbours in the moment of its first crash, or had ended and were not settled yet
    assert max(starts.values()) <= 2
    assert sum(count == 2 for count in starts.values()) <= len(good) // 2


@pytest.mark.long
async def test_a_crash_of_the_one_process_ends_it_and_the_next_start_proves_the_poison_alone(
    server_binary: Path, tmp_path: Path, journal: Path
) -> None:
    with Fleet(Shape.ONE_PROCESS, tmp_path, server_binary, environment={"JOBD_WORKER__LEASE": "1s"}) as fleet:
        async with jobd.Client(fleet.url) as client:
            # in one call: after the first of two the server may be gone, as it is the process's own
            pairs: list[tuple[Any, object]] = [
                (crash, {}),
                (write, Entry(journal=journal, key="good", seconds=0.1)),
            ]
            poison, good = await client.enqueue_many(pairs)
            fleet.worker.wait_ended()
        fleet.worker.kill_all()
        fleet.worker.start()
        fleet.worker.wait_up()
        async with jobd.Client(fleet.url) as client:
            assert (await client.wait(poison.id, PATIENCE_S)).status == State.FAILED
            assert await client.result(good.id, PATIENCE_S) == 1
        assert fleet.worker.alive


async def test_a_child_whose_loop_hangs_is_killed_and_replaced(server_binary: Path, tmp_path: Path) -> None:
    hasty = {"JOBD_WORKER__MAX_LOOP_BLOCK": "2s"}
    with Fleet(Shape.WORKER_CHILD, tmp_path, server_binary, environment=hasty) as fleet:
        async with jobd.Client(fleet.url) as client:
            (before,) = fleet.worker.workers()
            hanging = await client.enqueue(block, {"seconds": 600})
            await until(lambda: _is_active(client, hanging.id))
            behind = await client.enqueue("add", {"a": 1})
            assert await behind.result(PATIENCE_S) == 2
            assert before not in fleet.worker.workers()
            job = await hanging.get()
            assert "its loop did not run for 2 s" in (job.attempts[0].reason or "")


async def _is_active(client: jobd.Client, job_id: str) -> bool:
    return (await client.get(job_id)).status == State.ACTIVE


@first(Shape.ONE_PROCESS)
async def test_a_handler_that_blocks_the_loop_for_three_leases_keeps_its_job(
    start_fleet: StartFleet, journal: Path
) -> None:
    with start_fleet(environment=SHORT_LEASE) as fleet:
        async with jobd.Client(fleet.url) as client:
            neighbour = await client.enqueue(write, Entry(journal=journal, key="neighbour", seconds=1))
            await until(lambda: read(journal))
            blocking = await client.enqueue(block, {"seconds": THREE_LEASES_S})
            await client.wait(blocking.id, PATIENCE_S)
            await client.wait(neighbour.id, PATIENCE_S)
            for handle in (blocking, neighbour):
                job = await handle.get()
                assert (job.status, job.deliveries) == (State.COMPLETED, 1)


async def test_a_handler_that_lets_no_other_thread_run_for_three_leases_keeps_its_job(
    server_binary: Path, tmp_path: Path
) -> None:
    with Fleet(Shape.WORKER_CHILD, tmp_path, server_binary, environment=SHORT_LEASE) as fleet:
        async with jobd.Client(fleet.url) as client:
            job = await client.wait((await client.enqueue(hog, {"seconds": THREE_LEASES_S})).id, PATIENCE_S)
            assert (job.status, job.deliveries) == (State.COMPLETED, 1)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_15_poison_jobs_among_1500_condemn_no_innocent(
    server_binary: Path, tmp_path: Path, journal: Path
) -> None:
    with Fleet(Shape.WORKER_CHILD, tmp_path, server_binary, "--concurrency", "50") as fleet:
        async with jobd.Client(fleet.url) as client:
            good = [Entry(journal=journal, key=str(number), seconds=0.001) for number in range(1_500)]
            poison = []
            for number in range(15):
                await client.enqueue_many(write, good[number * 100 : number * 100 + 100], queue="default")
                poison.append(await client.enqueue(crash, {}))
            for handle in poison:
                job = await client.wait(handle.id, 300)
                assert (job.status, len(job.attempts) <= 4) == (State.FAILED, True)

            async def all_good_are_done() -> bool:
                return (await client.queues())["default"][State.COMPLETED] == 1_500

            await until(all_good_are_done, 300)
    assert {line.key for line in read(journal) if line.what == "end"} == {entry.key for entry in good}
    assert {line.attempt for line in read(journal)} == {1}
