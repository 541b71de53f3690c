"""A worker that was thought dead and comes back writes nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from jobd_testbed import Entry, deaf, write
from jobd_testbed.journal import Line, read

import jobd
from jobd.domain.job import Job
from jobd.domain.state import State
from tests.acceptance.fleet import Fleet, Shape
from tests.acceptance.processes import kill
from tests.acceptance.program import PATIENCE_S, Program
from tests.acceptance.until import until

LEASE = {"JOBD_WORKER__LEASE": "2s", "JOBD_WORKER__GRACE": "1s"}
LASTING_S = 4.0
"""long enough that a job still runs when its worker is stopped"""


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """They neither run nor end, until the body is left."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def started(journal: Path) -> Line:
    await until(lambda: read(journal))
    return read(journal)[0]


async def taken_over_and_completed(fleet: Fleet, client: jobd.Client, job_id: str) -> tuple[Program, Job]:
    """A second worker does it, while the first one is away."""
    second = fleet.another_worker(environment={**LEASE, "JOBD_WORKER__LEASE": "20s"})
    job = await client.wait(job_id, PATIENCE_S)
    assert (job.status, job.deliveries) == (State.COMPLETED, 2)
    return second, job


def assert_second_delivery_has_the_higher_fence(journal: Path) -> None:
    first, second = (line for line in read(journal) if line.what == "start")
    assert second.fence > first.fence
    assert second.pid != first.pid


async def test_a_worker_that_comes_back_after_its_lease_settles_nothing(
    server_binary: Path, tmp_path: Path, journal: Path
) -> None:
    with Fleet(Shape.PROCESS_PER_ROLE, tmp_path, server_binary, environment=LEASE) as fleet:
        async with jobd.Client(fleet.url) as client:
            # it heeds no stop: whether the worker that comes back hears first that it has lost it is not told
            handle = await client.enqueue(deaf, Entry(journal=journal, key="contested", seconds=LASTING_S))
            first = await started(journal)
            with stopped(fleet.worker.pid, first.pid):
                second, job = await taken_over_and_completed(fleet, client, handle.id)
            # it ends what it had begun, tells the store, and is not believed
            await until(lambda: [line.pid for line in read(journal) if line.what == "end"].count(first.pid) == 1)
            await until(lambda: "starting again under a new id" in fleet.worker.log.read_text())
            assert await client.get(handle.id) == job
            assert_second_delivery_has_the_higher_fence(journal)
            # and works on, under a new name
            second.signal(signal.SIGTERM)
            assert second.wait_ended() == 0
            assert await (await client.enqueue("add", {"a": 1})).result(PATIENCE_S) == 2


@pytest.mark.long
async def test_an_orphan_that_comes_back_after_its_lease_settles_nothing_and_ends(
    server_binary: Path, tmp_path: Path, journal: Path
) -> None:
    with Fleet(Shape.PROCESS_PER_ROLE, tmp_path, server_binary, environment=LEASE) as fleet:
        async with jobd.Client(fleet.url) as client:
            handle = await client.enqueue(write, Entry(journal=journal, key="contested", seconds=LASTING_S))
            first = await started(journal)
            with stopped(first.pid):
                fleet.worker.kill()
                _, job = await taken_over_and_completed(fleet, client, handle.id)
            await until(lambda: not fleet.worker.left())
            assert await client.get(handle.id) == job
            assert (await client.queues())["writing"][State.COMPLETED] == 1
            assert_second_delivery_has_the_higher_fence(journal)
            kill([first.pid])
