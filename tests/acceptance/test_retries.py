"""Attempts that do not end well, in each shape."""

from __future__ import annotations

from pathlib import Path

import pytest
from jobd_testbed import Entry, fail, signal, signal_sync, slow, write_sync
from jobd_testbed.journal import read

import jobd
from jobd.domain.outcome import Ending
from jobd.domain.state import State
from tests.acceptance.program import PATIENCE_S
from tests.acceptance.until import until


@pytest.mark.requirement("2.2")
@pytest.mark.requirement("2.6")
async def test_a_job_is_tried_again_and_its_errors_are_kept(client: jobd.Client) -> None:
    handle = await client.enqueue(fail, {"times": 2, "message": "no luck"})
    assert await handle.result(PATIENCE_S) == 3
    job = await handle.get()
    assert (job.status, job.attempt, job.error) == (State.COMPLETED, 3, None)
    assert [attempt.number for attempt in job.attempts] == [1, 2, 3]
    assert [attempt.outcome for attempt in job.attempts] == [Ending.RAISED, Ending.RAISED, Ending.RETURNED]
    for attempt in job.attempts[:2]:
        assert attempt.error is not None
        assert (attempt.error["type"], attempt.error["message"]) == ("ValueError", "no luck")
        # from the handler on: what jobd did before is of no use to its author
        assert attempt.error["traceback"].splitlines()[1].strip().endswith("in fail")


@pytest.mark.requirement("2.2")
async def test_a_job_whose_attempts_are_used_up_has_failed(client: jobd.Client) -> None:
    handle = await client.enqueue(fail, {"times": 9, "message": "never"}, retries=1)
    with pytest.raises(jobd.JobdError, match="failed in attempt 2: ValueError: never"):
        await handle.result(PATIENCE_S)
    job = await handle.get()
    assert (job.status, job.attempt, len(job.attempts)) == (State.FAILED, 2, 2)
    assert job.finished_at is not None


@pytest.mark.requirement("2.12")
async def test_a_failed_job_is_run_again_by_hand(client: jobd.Client) -> None:
    handle = await client.enqueue(fail, {"times": 1}, max_attempts=1)
    assert (await client.wait(handle.id, PATIENCE_S)).status == State.FAILED
    await handle.retry()
    job = await client.wait(handle.id, PATIENCE_S)
    # by hand it gets all its attempts anew; those it had stay in its history
    assert (job.status, job.attempt) == (State.FAILED, 1)
    assert len(job.attempts) == 2


@pytest.mark.parametrize(
    ("what", "outcomes"),
    [
        ("retry", [(1, Ending.RAISED), (2, Ending.RETURNED)]),
        ("snooze", [(1, Ending.SNOOZED), (1, Ending.RETURNED)]),
        ("exit", [(1, Ending.RAISED), (2, Ending.RETURNED)]),
        ("nothing", [(1, Ending.RAISED), (2, Ending.RETURNED)]),
        ("interrupt", [(1, Ending.RAISED), (2, Ending.RETURNED)]),
    ],
)
async def test_an_attempt_that_ends_in_its_own_way_is_followed_by_another(
    client: jobd.Client, what: str, outcomes: list[tuple[int, Ending]]
) -> None:
    job = await client.wait((await client.enqueue(signal, {"what": what}, max_attempts=2)).id, PATIENCE_S)
    assert job.status == State.COMPLETED
    assert [(attempt.number, attempt.outcome) for attempt in job.attempts] == outcomes


@pytest.mark.parametrize(
    ("what", "status", "reason"), [("cancel", State.CANCELLED, "no more"), ("fail", State.FAILED, "for good")]
)
async def test_a_handler_may_end_its_job(client: jobd.Client, what: str, status: State, reason: str) -> None:
    job = await client.wait((await client.enqueue(signal, {"what": what}, max_attempts=5)).id, PATIENCE_S)
    assert (job.status, job.attempt) == (status, 1)
    assert reason in (job.reason, (job.error or {}).get("message"))


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("retry", "Retry"),
        ("exit", "SystemExit"),
        ("nothing", "asyncio.exceptions.CancelledError"),
        ("interrupt", "KeyboardInterrupt"),
        ("stop", "StopIteration"),
    ],
)
async def test_whatever_a_thread_raises_hurts_only_its_own_attempt(client: jobd.Client, what: str, error: str) -> None:
    job = await client.wait((await client.enqueue(signal_sync, {"what": what}, max_attempts=2)).id, PATIENCE_S)
    assert (job.status, job.result) == (State.COMPLETED, f"{what} was attempt 2")
    assert (job.attempts[0].error or {})["type"] == error


async def test_what_one_handler_raises_leaves_its_neighbours_alone(client: jobd.Client, journal: Path) -> None:
    neighbours = [
        await client.enqueue("write", Entry(journal=journal, key=f"neighbour-{number}", seconds=0.5))
        for number in range(5)
    ]
    await until(lambda: sum(line.what == "start" for line in read(journal)) == 5)
    for what in ("exit", "nothing", "interrupt"):
        await (await client.enqueue(signal, {"what": what}, max_attempts=2)).result(PATIENCE_S)
    assert [await neighbour.result(PATIENCE_S) for neighbour in neighbours] == [1] * 5


async def test_an_async_handler_that_takes_too_long_is_stopped(client: jobd.Client) -> None:
    handle = await client.enqueue(slow, {"seconds": 60})
    job = await client.wait(handle.id, PATIENCE_S)
    assert (job.status, (job.error or {})["type"]) == (State.FAILED, "TimeoutError")
    assert job.started_at is not None
    assert job.finished_at is not None
    assert (job.finished_at - job.started_at).total_seconds() < 60


async def test_an_attempt_that_takes_too_long_is_an_attempt(client: jobd.Client) -> None:
    handle = await client.enqueue(slow, {"seconds": 60}, max_attempts=3, backoff="10ms")
    job = await client.wait(handle.id, PATIENCE_S)
    assert [(attempt.number, attempt.outcome) for attempt in job.attempts] == [
        (1, Ending.TIMED_OUT),
        (2, Ending.TIMED_OUT),
        (3, Ending.TIMED_OUT),
    ]


async def test_a_sync_handler_that_takes_too_long_is_told_and_left_behind(client: jobd.Client, journal: Path) -> None:
    entry = Entry(journal=journal, key="slow", seconds=20)
    handle = await client.enqueue(write_sync, entry, timeout="200ms", max_attempts=2, backoff="10ms")
    job = await client.wait(handle.id, PATIENCE_S)
    assert (job.status, [attempt.outcome for attempt in job.attempts]) == (State.FAILED, [Ending.TIMED_OUT] * 2)
    await until(lambda: [line.what for line in read(journal)].count("told") == 2)


async def test_a_worker_goes_on_after_all_that(client: jobd.Client) -> None:
    for number in range(20):
        await client.enqueue(slow, {"seconds": 60})
        assert await (await client.enqueue("add", {"a": number})).result(PATIENCE_S) == number + 1
