"""Jobs run, and what became of them can be read, in each shape."""

from __future__ import annotations

from pathlib import Path

import pytest
from jobd_testbed import Entry, Note, add, bad_result, echo, greet, noop, noop_sync, tenant, write_sync
from jobd_testbed.journal import read

import jobd
from jobd.domain.outcome import Ending
from jobd.domain.state import State
from tests.acceptance.program import PATIENCE_S
from tests.acceptance.until import until


@pytest.mark.requirement("1.1")
@pytest.mark.requirement("2.9")
async def test_a_job_runs_and_its_result_is_read(client: jobd.Client) -> None:
    handle = await client.enqueue(echo, Note(text="hello", count=3))
    assert await handle.result(PATIENCE_S) == Note(text="hello", count=3)


@pytest.mark.requirement("2.1")
async def test_a_job_that_ran_says_when_and_where(client: jobd.Client) -> None:
    handle = await client.enqueue(add, {"a": 2, "b": 3})
    job = await client.wait(handle.id, PATIENCE_S)
    assert (job.status, job.result, job.attempt, job.error) == (State.COMPLETED, 5, 1, None)
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.created_at <= job.started_at <= job.finished_at
    (attempt,) = job.attempts
    assert (attempt.number, attempt.outcome, attempt.finished_at) == (1, Ending.RETURNED, job.finished_at)
    assert attempt.worker.startswith("worker-")


async def test_a_job_may_return_nothing(client: jobd.Client) -> None:
    handle = await client.enqueue(noop, Note(text="x"))
    await handle.result(PATIENCE_S)
    assert (await handle.get()).result is None


@pytest.mark.requirement("1.3")
async def test_a_sync_handler_runs_in_a_thread(client: jobd.Client, journal: Path) -> None:
    entries = [Entry(journal=journal, key=f"sync-{number}", seconds=60) for number in range(4)]
    handles = await client.enqueue_many(write_sync, entries)
    # they sleep at the same time, so that none of them holds the loop
    await until(lambda: [line.what for line in read(journal)] == ["start"] * 4)
    for handle in handles:
        await handle.cancel()  # which they heed by returning
    assert [await handle.result(PATIENCE_S) for handle in handles] == [1] * 4
    assert [line.what for line in read(journal)] == ["start"] * 4 + ["told"] * 4


@pytest.mark.requirement("1.5")
async def test_a_handler_is_given_the_services_it_asks_for(client: jobd.Client) -> None:
    handle = await client.enqueue(greet, {"name": "Ada"})
    assert await handle.result(PATIENCE_S) == "hello, Ada"


async def test_what_a_handler_says_of_itself_is_not_there_for_the_next(client: jobd.Client) -> None:
    handles = [await client.enqueue(tenant, {"name": f"tenant {number}"}) for number in range(200)]
    assert {await handle.result(PATIENCE_S) for handle in handles} == {"nobody"}


async def test_a_result_that_is_not_of_its_type_fails_the_job_at_once(client: jobd.Client) -> None:
    handle = await client.enqueue(bad_result, {})
    job = await client.wait(handle.id, PATIENCE_S)
    assert (job.status, job.attempt) == (State.FAILED, 1)
    assert job.error is not None
    assert "not the JSON of its result type" in job.error["message"]


async def test_a_payload_that_does_not_fit_is_refused_before_anything_is_stored(client: jobd.Client) -> None:
    with pytest.raises(jobd.PayloadError) as refused:
        await client.enqueue("echo", {"text": 1, "colour": "red"}, id="never-stored")
    assert {fault["pointer"] for fault in refused.value.faults} == {"/text", "/colour"}
    with pytest.raises(jobd.JobdError, match="no job"):
        await client.get("never-stored")


@pytest.mark.requirement("2.8")
async def test_an_id_of_ones_own_is_one_job(client: jobd.Client, journal: Path) -> None:
    entry = Entry(journal=journal, key="once")
    first = await client.enqueue("write", entry, id="mine-1")
    again = await client.enqueue("write", entry, id="mine-1")
    assert (first.created, again.created) == (True, False)
    await again.result(PATIENCE_S)
    assert [line.what for line in read(journal)] == ["start", "end"]


async def test_many_jobs_at_once_all_run(client: jobd.Client, journal: Path) -> None:
    entries = [Entry(journal=journal, key=str(number)) for number in range(600)]
    handles = await client.enqueue_many("write", entries)
    for handle in handles:
        assert await handle.result(PATIENCE_S) == 1
    started = [line.key for line in read(journal) if line.what == "start"]
    assert sorted(started) == sorted(entry.key for entry in entries)


async def test_sync_and_async_jobs_run_side_by_side(client: jobd.Client) -> None:
    handles = [await client.enqueue(noop_sync if number % 2 else noop, Note(text=str(number))) for number in range(100)]
    ended = [await client.wait(handle.id, PATIENCE_S) for handle in handles]
    assert [job.status for job in ended] == [State.COMPLETED] * 100


async def test_a_job_of_a_type_that_no_worker_knows_says_so(client: jobd.Client) -> None:
    handle = await client.enqueue("nobody-knows-this", {}, queue="no-plugin")
    hint = "no worker that runs knows the type nobody-knows-this; install the plugin where workers run, and start them"
    assert str(await client.hint(await handle.get())).startswith(hint)

    async def told_of_the_queue() -> bool:
        hints = await client.queue_hints((await client.queues()).values())
        return hints.get("no-plugin", "").startswith(hint)

    await until(told_of_the_queue)
    await handle.cancel()
