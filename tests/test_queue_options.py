"""What a queue says of its jobs, declared or set at run time, holds for all who enqueue from then on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import jobd
import jobd.intake
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.backoff import Backoff
from jobd.domain.delivery import Delivery
from jobd.domain.job import Job
from jobd.domain.options import Options
from jobd.domain.outcome import Ending, Outcome
from jobd.errors import OptionError
from jobd.handle import JobHandle
from jobd.roles.verdicts import Verdicts
from jobd.settings import load_settings
from jobd.store.store import Store
from tests.store.growing import shard_for
from tests.store.hands import Hands, done


@jobd.job("report", queue="reports")
async def report(month: str = "", year: int = 0) -> None: ...


@jobd.job("urgent-report", queue="reports", priority="high", backoff="7s")
async def urgent_report(month: str = "") -> None: ...


@jobd.job("patient-report", queue="reports", backoff=lambda failure: "9s")
async def patient_report() -> None: ...


CATALOG = Catalog([report, urgent_report, patient_report])


@pytest.fixture
async def operator(redis_url: str) -> AsyncIterator[Client]:
    async with Client(store=Store.at(redis_url), catalog=CATALOG) as client:
        yield client


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    async with Client(store=Store.at(redis_url), catalog=CATALOG) as client:
        yield client


async def made(client: Client, type_name: str = "report", **options: Any) -> Job:
    return await (await client.enqueue(type_name, {}, **options)).get()


async def test_what_is_set_for_a_queue_holds_for_the_next_job_of_any_process(client: Client, operator: Client) -> None:
    assert (await made(client)).max_attempts == 4
    says = await operator.set_queue_options("reports", retries=6, timeout="1m", tags=["ours"], priority="low")
    assert says.set == Options(max_attempts=7, timeout_ms=60_000, tags=("ours",), priority=7)
    job = await made(client)
    assert (job.max_attempts, job.timeout_ms, job.options.tags, job.priority) == (7, 60_000, ("ours",), 7)
    await operator.set_queue_options("reports", timeout=None, tags=[])
    job = await made(client)
    assert (job.max_attempts, job.timeout_ms, job.options.tags, job.priority) == (7, 0, None, 7)
    assert (await operator.reset_queue_options("reports")).set == Options()
    job = await made(client)
    assert (job.max_attempts, job.priority) == (4, 5)
    assert (await made(client, queue="others")).max_attempts == 4


async def test_a_job_wins_over_its_type_that_over_what_is_set_and_that_over_the_configuration(
    redis_url: str, operator: Client, tmp_path: Path
) -> None:
    config = tmp_path / "jobd.toml"
    config.write_text("[queues.reports]\npriority = 9\nretries = 0\ntimeout = 9\n[defaults]\nexpires = '9s'")
    settings = load_settings(environment={}, config=config)
    await operator.set_queue_options("reports", priority=8, retries=1)
    async with Client(store=Store.at(redis_url), catalog=CATALOG, settings=settings) as client:
        job = await made(client)
        assert (job.priority, job.max_attempts, job.timeout_ms) == (8, 2, 9_000)
        assert job.options.expires is not None
        assert (await made(client, "urgent-report")).priority == 3
        assert (await made(client, "urgent-report", priority=1)).priority == 1


async def test_a_queue_is_named_with_either_dash(client: Client, operator: Client) -> None:
    await operator.set_queue_options("big-reports", priority=2)
    assert (await made(client, queue="big_reports")).priority == 2
    assert (await operator.queue_options("big_reports")).holds.priority == 2


async def test_many_jobs_at_once_and_batches_that_are_sent_in_parts_have_what_is_set(
    client: Client, operator: Client
) -> None:
    await client.enqueue_many("report", [{}] * 3)
    await operator.set_queue_options("reports", priority=2)
    few = await client.enqueue_many("report", [{}] * 3)
    assert [(await handle.get()).priority for handle in few] == [2, 2, 2]
    await operator.set_queue_options("reports", priority=8)
    many = await client.enqueue_many("report", [{"year": year} for year in range(1_200)])
    assert {(await many[at].get()).priority for at in (0, 600, 1_199)} == {8}


async def test_the_id_stays_when_a_job_is_made_anew_by_other_options(client: Client, operator: Client) -> None:
    await operator.set_queue_options("reports", priority=2)
    handle = await client.enqueue("report", {}, id="chosen")
    assert (handle.created, handle.id, (await handle.get()).priority) == (True, "chosen", 2)
    await operator.set_queue_options("reports", priority=3)
    again = await client.enqueue("report", {}, id="chosen")
    assert (again.created, (await again.get()).priority) == (False, 2)


async def test_what_a_handler_enqueued_before_is_made_anew_when_its_job_completes(
    client: Client, operator: Client, hands: Hands
) -> None:
    parent = await client.enqueue("report", {})
    (delivery,) = await hands.fetch(types=",report,")
    (plan,) = await client.intake.plan([jobd.intake.Request("report", {"month": "May"})])
    await operator.set_queue_options("reports", priority=2, unique=["month"])
    assert await hands.settle(done(delivery, children=[plan.new_job])) == [1]
    child = await client.get(plan.new_job.id)
    assert (child.priority, child.data["month"], await parent.status()) == (2, "May", "completed")
    assert child.unique_key is not None


async def test_a_child_that_cannot_have_what_is_set_stays_as_it_was_enqueued(
    client: Client, operator: Client, hands: Hands
) -> None:
    await client.enqueue("report", {})
    (delivery,) = await hands.fetch(types=",report,")
    (plan,) = await client.intake.plan([jobd.intake.Request("report", {})])
    await operator.set_queue_options("reports", priority=2, unique=["nonesuch"])
    assert await hands.settle(done(delivery, children=[plan.new_job])) == [1]
    assert (await client.get(plan.new_job.id)).priority == 5
    with pytest.raises(OptionError, match="unique"):
        await client.enqueue("report", {})


async def test_queues_in_several_shards_each_say_their_own(redis_url: str) -> None:
    queues = [f"queue-{number}" for number in range(6)]
    async with (
        Client(store=Store.at(redis_url, shards=3), catalog=CATALOG) as operator,
        Client(store=Store.at(redis_url, shards=3), catalog=CATALOG) as client,
    ):
        assert len({shard_for(client.store, queue) for queue in queues}) > 1
        for priority, queue in enumerate(queues, 1):
            await operator.set_queue_options(queue, priority=priority)
        asked = [jobd.intake.Request("report", {}, Options(queue=queue)) for queue in queues]
        handles = await client.enqueue_requests(asked)
        assert [handle.outcome for handle in handles] == ["created"] * 6
        assert [(await handle.get()).priority for handle in handles] == [1, 2, 3, 4, 5, 6]


async def test_a_unique_key_that_a_queue_asks_for_is_found_and_one_that_it_asks_for_no_more_is_not(
    client: Client, operator: Client, redis_url: str
) -> None:
    await client.enqueue("report", {"month": "May"})
    await operator.set_queue_options("reports", unique=jobd.Unique(fields=["month"], on_conflict="error"))
    first = await client.enqueue("report", {"month": "May"})
    with pytest.raises(jobd.UniqueConflict):
        await client.enqueue("report", {"month": "May"})
    async with Client(store=Store.at(redis_url), catalog=CATALOG) as stranger:
        owner = await stranger.unique_owner("report", {"month": "May"})
    assert owner is not None
    assert owner.owner == first.id
    await operator.set_queue_options("reports", unique=None)
    assert (await client.enqueue("report", {"month": "May"})).created


async def test_of_jobs_that_are_enqueued_together_only_the_one_that_cannot_have_what_is_set_is_refused(
    client: Client, operator: Client
) -> None:
    await client.enqueue("report", {})
    await operator.set_queue_options("reports", unique=["month"], priority=2)
    answers = await asyncio.gather(
        *(client.enqueue(name, {}) for name in ("report", "patient-report", "urgent-report")), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [JobHandle, OptionError, JobHandle]
    keyed = [job for job in (await client.list(queue="reports")).jobs if job.unique_key]
    assert sorted((job.type, job.priority) for job in keyed) == [("report", 2), ("urgent-report", 3)]


@pytest.mark.parametrize(("type_name", "pause_ms"), [("report", 3_000), ("urgent-report", 7_000)])
async def test_the_backoff_that_is_set_counts_where_neither_job_nor_type_has_one(
    client: Client, operator: Client, hands: Hands, type_name: str, pause_ms: int
) -> None:
    await operator.set_queue_options("reports", backoff=Backoff.fixed("3s"))
    await client.enqueue(type_name, {})
    await client.enqueue(type_name, {}, backoff="1s")
    first, second = await hands.fetch(types=f",{type_name},")
    assert [_pause(client, each) for each in (first, second)] == [pause_ms, 1_000]


async def test_the_backoff_that_is_set_does_not_stand_before_the_function_of_a_type(
    client: Client, operator: Client, hands: Hands
) -> None:
    await operator.set_queue_options("reports", backoff="3s")
    await client.enqueue("patient-report", {})
    (delivery,) = await hands.fetch(types=",patient-report,")
    verdicts = Verdicts(client.catalog, client.levels)
    outcome = verdicts.ruled(delivery, Outcome(Ending.RAISED), ValueError())
    assert verdicts.on(delivery, outcome).delay_ms == 9_000


def _pause(client: Client, delivery: Delivery) -> int:
    return Verdicts(client.catalog, client.levels).on(delivery, Outcome(Ending.RAISED)).delay_ms


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"retries": -1}, "retries: "),
        ({"priority": 11}, "priority: 11 is not between 1"),
        ({"run_at": "tomorrow"}, "run_at: this is an option of a job, not of a queue"),
        ({"group": "tenant"}, "group: this is an option of a job or a job type, not of a queue"),
        ({"retris": 1}, "there is no option 'retris'; did you mean 'retries'"),
        ({"retries": 1, "max_attempts": 2}, "max_attempts and retries say the same in two ways"),
        ({"metadata": None}, "metadata: this is an option of a job or a job type, not of a queue"),
    ],
)
async def test_what_a_queue_cannot_say_is_refused_with_the_name_and_what_is_allowed(
    operator: Client, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(OptionError, match=said):
        await operator.set_queue_options("reports", **options)
    assert (await operator.queue_options("reports")).set == Options()


async def test_the_name_of_no_queue_is_refused(operator: Client) -> None:
    with pytest.raises(OptionError, match="queue"):
        await operator.set_queue_options("No Queue", retries=1)


async def test_what_is_set_does_not_touch_limits_and_pauses_of_the_queue(operator: Client) -> None:
    await operator.set_limits(queue="reports", concurrency=3)
    await operator.pause("reports")
    await operator.set_queue_options("reports", retries=1)
    assert [limits.holds for limits in await operator.limits()] == [{"concurrency": 3}]
    assert len(await operator.pauses()) == 1
    await operator.reset_queue_options("reports")
    assert [limits.holds for limits in await operator.limits()] == [{"concurrency": 3}]
