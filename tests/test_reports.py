"""What is said of a job from outside, by its id: how far it is, and lines of its log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

import jobd
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.errors import JobNotFound, OptionError, StateConflict
from jobd.store.store import Store
from tests.store.hands import Hands, done, new_job, retried


@jobd.job("noop")
async def noop() -> None: ...


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    async with Client(store=Store.at(redis_url), catalog=Catalog([noop])) as client:
        yield client


async def test_progress_from_outside_is_that_of_the_running_attempt(client: Client, hands: Hands) -> None:
    (delivery,) = await hands.active(new_job("a"))
    await client.set_progress("a", 1, total=4, message="x" * 2_000)
    progress = await client.progress("a")
    assert progress is not None
    assert (progress.done, progress.total, progress.percent, len(progress.message or "")) == (1, 4, 25, 1_000)
    await hands.settle(done(delivery))
    with pytest.raises(StateConflict, match="job a is completed; only a running one makes progress"):
        await client.set_progress("a", 2)


async def test_a_line_belongs_to_the_attempt_that_runs_or_ran_last(client: Client, hands: Hands) -> None:
    (delivery,) = await hands.active(new_job("a"))
    await client.add_log("a", "first")
    await hands.settle(retried(delivery, 1_000))
    await client.add_log("a", "it has failed", level="error", fields={"host": "db-2", "odd": object})
    hands.clock.forward(1_000)
    await hands.shard.promote()
    (again,) = await hands.fetch()
    await client.add_log("a", "second")
    await hands.settle(done(again))
    await client.add_log("a", "behind")
    lines = await client.logs("a")
    assert [(line.attempt, line.level, line.text) for line in lines] == [
        (1, "info", "first"),
        (1, "error", "it has failed"),
        (2, "info", "second"),
        (2, "info", "behind"),
    ]
    assert lines[1].fields == {"host": "db-2", "odd": "<class 'object'>"}
    assert [line.at.timestamp() * 1_000 for line in lines][2:] == [hands.clock.ms] * 2


async def test_what_is_said_of_a_job_that_has_not_started_or_is_not_there_is_refused(
    client: Client, hands: Hands
) -> None:
    await hands.put(new_job("waits"), new_job("later", due="+1000"))
    for name, state in (("waits", "waiting"), ("later", "delayed")):
        with pytest.raises(StateConflict, match=f"job {name} is {state} and has not started"):
            await client.add_log(name, "x")
        with pytest.raises(StateConflict, match=f"job {name} is {state}"):
            await client.set_progress(name, 1)
    for say in (client.add_log("none", "x"), client.set_progress("none", 1)):
        with pytest.raises(JobNotFound):
            await say


@pytest.mark.parametrize("number", [float("nan"), float("inf"), "1", True, None])
async def test_progress_that_is_no_number_is_refused(client: Client, hands: Hands, number: Any) -> None:
    await hands.active(new_job("a"))
    with pytest.raises(OptionError, match=r"^progress: done is .* not a finite number"):
        await client.set_progress("a", number)
    with pytest.raises(OptionError, match="level: 'loud' is none of debug, info, warning, error"):
        await client.add_log("a", "x", level="loud")
    assert (await client.get("a")).progress is None


async def test_the_log_stays_bounded_and_goes_with_its_job(client: Client, hands: Hands) -> None:
    (delivery,) = await hands.active(new_job("a"))
    for number in range(1_003):
        await client.add_log("a", str(number))
    lines = await client.logs("a")
    assert (len(lines), lines[0].text, lines[-1].text) == (1_000, "3", "1002")
    await hands.settle(done(delivery))
    await client.remove("a")
    assert await client.store.logs("a") == []
