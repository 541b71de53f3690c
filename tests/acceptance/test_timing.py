"""When jobs run, and in which order, in each shape."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from jobd_testbed import Entry
from jobd_testbed.journal import read

import jobd
from jobd.domain.options import make_options
from jobd.domain.state import State
from jobd.intake import Request
from tests.acceptance.program import PATIENCE_S

BUSY_S = 30
"""later than this no job starts, on a machine with other work to do"""


@pytest.mark.requirement("2.4")
async def test_a_delayed_job_runs_when_its_time_has_come(client: jobd.Client) -> None:
    handle = await client.enqueue("add", {"a": 1}, delay="1500ms")
    assert await handle.status() == State.DELAYED
    job = await client.wait(handle.id, PATIENCE_S)
    assert job.started_at is not None
    late = (job.started_at - job.created_at).total_seconds() - 1.5
    assert 0 <= late < BUSY_S


@pytest.mark.requirement("2.4")
async def test_a_job_runs_at_the_moment_that_was_named(client: jobd.Client) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=1)
    job = await client.wait((await client.enqueue("add", {"a": 1}, run_at=moment)).id, PATIENCE_S)
    assert job.started_at is not None
    assert timedelta(milliseconds=-1) <= job.started_at - moment < timedelta(seconds=BUSY_S)


async def test_a_moment_that_is_over_means_now(client: jobd.Client) -> None:
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    assert await (await client.enqueue("add", {"a": 1}, run_at=moment)).result(PATIENCE_S) == 2


async def test_delayed_jobs_run_in_the_order_of_their_times(client: jobd.Client, journal: Path) -> None:
    delays = [500, 100, 300, 200, 400]
    requests = [
        Request("write", Entry(journal=journal, key=str(delay)), make_options(delay=delay / 1_000)) for delay in delays
    ]
    for handle in await client.enqueue_requests(requests):  # in one call: their times count from the same moment
        await handle.result(PATIENCE_S)
    assert [line.key for line in read(journal) if line.what == "start"] == ["100", "200", "300", "400", "500"]


@pytest.mark.requirement("2.3")
async def test_the_more_urgent_runs_first_and_equals_in_their_order(client: jobd.Client, journal: Path) -> None:
    wanted = [(priority, number) for priority in (10, "low", 5, "high", 1) for number in range(4)]
    requests = [
        Request("write", Entry(journal=journal, key=f"{priority}-{number}"), make_options(priority=priority))
        for priority, number in wanted
    ]
    for handle in await client.enqueue_requests(requests):
        await handle.result(PATIENCE_S)
    started = [line.key for line in read(journal) if line.what == "start"]
    assert started == [f"{priority}-{number}" for priority in (1, "high", 5, "low", 10) for number in range(4)]
