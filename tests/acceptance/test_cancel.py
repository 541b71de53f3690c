"""Jobs are cancelled in every state, in each shape."""

from __future__ import annotations

from pathlib import Path

import pytest
from jobd_testbed import Entry, write, write_sync
from jobd_testbed.journal import read

import jobd
from jobd.domain.state import State
from tests.acceptance.conftest import StartFleet
from tests.acceptance.program import PATIENCE_S
from tests.acceptance.until import until


@pytest.mark.requirement("2.7")
async def test_a_waiting_a_delayed_and_a_running_job_are_cancelled_at_concurrency_1(
    start_fleet: StartFleet, journal: Path
) -> None:
    with start_fleet("--concurrency", "1") as fleet:
        async with jobd.Client(fleet.url) as client:
            running = await client.enqueue(write, Entry(journal=journal, key="running", seconds=60))
            await until(lambda: read(journal))
            waiting = await client.enqueue(write, Entry(journal=journal, key="waiting"))
            delayed = await client.enqueue(write, Entry(journal=journal, key="delayed"), delay="1h")
            assert (await waiting.cancel("not wanted")).status == State.CANCELLED
            assert (await delayed.cancel()).status == State.CANCELLED
            told = await running.cancel("too long")
            assert told.cancel_requested or told.status is State.CANCELLED  # it may have been stopped already
            job = await client.wait(running.id, PATIENCE_S)
            assert (job.status, job.reason) == (State.CANCELLED, "too long")
            assert (await waiting.get()).reason == "not wanted"
            # it was stopped before its end, the slot is free, and neither of the others has ever run
            await (await client.enqueue(write, Entry(journal=journal, key="next"))).result(PATIENCE_S)
            assert [(line.what, line.key) for line in read(journal)] == [
                ("start", "running"),
                ("start", "next"),
                ("end", "next"),
            ]


@pytest.mark.requirement("2.7")
async def test_a_sync_handler_is_told_that_its_job_is_cancelled(client: jobd.Client, journal: Path) -> None:
    handle = await client.enqueue(write_sync, Entry(journal=journal, key="sync", seconds=60))
    await until(lambda: read(journal))
    await handle.cancel()
    await until(lambda: [line.what for line in read(journal)] == ["start", "told"])
    await client.wait(handle.id, PATIENCE_S)


async def test_a_job_is_cancelled_in_the_moment_of_its_start(client: jobd.Client, journal: Path) -> None:
    """The word to its worker may arrive before the job itself does."""
    handles = []
    for number in range(50):
        handle = await client.enqueue(write, Entry(journal=journal, key=str(number), seconds=30))
        await handle.cancel()
        handles.append(handle)
    for handle in handles:
        assert (await client.wait(handle.id, PATIENCE_S)).status == State.CANCELLED


@pytest.mark.requirement("2.12")
async def test_a_cancelled_job_is_run_again_by_hand(client: jobd.Client) -> None:
    handle = await client.enqueue("add", {"a": 1}, delay="1h")
    await handle.cancel()
    await handle.retry()
    assert await handle.result(PATIENCE_S) == 2


async def test_a_job_that_has_ended_cannot_be_cancelled(client: jobd.Client) -> None:
    handle = await client.enqueue("add", {"a": 1})
    await handle.result(PATIENCE_S)
    with pytest.raises(jobd.JobdError, match="completed already"):
        await handle.cancel()
