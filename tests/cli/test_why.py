"""`why`: each thing that keeps a job from running is named, with who holds it and when it ends."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobd.domain.reason import Cause, Reason
from jobd.errors import JobNotFound
from jobd.sync import SyncClient
from tests.cli.conftest import Cli, Enqueue
from tests.hand_worker import HandWorker


@pytest.fixture
def hand(worker: HandWorker) -> HandWorker:
    """A worker that knows the type of the jobs here."""
    worker.describe(types=["paint"])
    return worker


def causes(client: SyncClient, job_id: str) -> list[Cause]:
    return [reason.cause for reason in client.why(job_id)]


def only(client: SyncClient, job_id: str) -> Reason:
    (reason,) = client.why(job_id)
    return reason


def test_a_job_that_does_not_wait_says_where_it_is(client: SyncClient, enqueue: Enqueue, hand: HandWorker) -> None:
    enqueue("runs")
    job = hand.take("paint")
    assert only(client, "runs").message == f"it runs in attempt 1 on {hand.name}"
    hand.complete(job)
    assert only(client, "runs").cause is Cause.ENDED
    enqueue("later", delay="1h")
    later = only(client, "later")
    assert (later.cause, later.until) == (Cause.DELAYED, client.get("later").run_at)
    with pytest.raises(JobNotFound):
        client.why("nowhere")


def test_a_pause_says_who_why_and_until_when(client: SyncClient, enqueue: Enqueue, hand: HandWorker) -> None:
    enqueue("one", group="a")
    client.pause("walls", reason="provider is down", by="ada", until=datetime(2090, 1, 1, tzinfo=UTC))
    reason = only(client, "one")
    assert reason.message == "queue walls is paused by ada: provider is down"
    assert reason.until == datetime(2090, 1, 1, tzinfo=UTC)
    client.resume("walls")
    client.pause(type="paint")
    client.pause("walls", group="a")
    assert {reason.message for reason in client.why("one")} == {
        "type paint is paused",
        "group a of queue walls is paused",
    }


def test_an_ordering_key_names_the_job_whose_turn_it_is(client: SyncClient, enqueue: Enqueue, hand: HandWorker) -> None:
    enqueue("first", ordering_key="order 7")
    enqueue("second", ordering_key="order 7")
    assert hand.take("paint").id == "first"
    reason = only(client, "second")
    assert (reason.cause, reason.job) == (Cause.ORDERING_KEY, "first")
    assert reason.message == "job first of its ordering key 'order 7' has its turn until it ends"


@pytest.mark.parametrize(
    ("options", "limits", "said"),
    [
        ({"concurrency_key": "acct"}, {}, "concurrency key acct has 1 of 1 jobs running"),
        ({"concurrency": 1}, {}, "type paint has 1 of 1 jobs running"),
        ({}, {"queue": "walls", "concurrency": 1}, "queue walls has 1 of 1 jobs running"),
        ({}, {"type": "paint", "concurrency": 1}, "type paint has 1 of 1 jobs running"),
        ({"group": "a"}, {"queue": "walls", "group_concurrency": 1}, "group a of queue walls has 1 of 1 jobs running"),
        ({"rate": "1/1h"}, {}, "type paint may start 1 jobs in 1h, and has"),
        ({"rate": "1/1h", "rate_key": "api"}, {}, "rate key api may start 1 jobs in 1h, and has"),
        ({}, {"queue": "walls", "rate": "1/1h"}, "queue walls may start 1 jobs in 1h, and has"),
    ],
)
def test_a_limit_says_whose_it_is_and_how_far_it_is_used(
    client: SyncClient,
    enqueue: Enqueue,
    hand: HandWorker,
    options: dict[str, str],
    limits: dict[str, str],
    said: str,
) -> None:
    if limits:
        client.set_limits(**limits)
    enqueue("first", **options)
    enqueue("second", **options)
    # one of a limited type stands aside first, and is taken when the worker looks again
    assert len([job for _ in range(3) for job in hand.take_all("paint")]) == 1
    reason = only(client, "second")
    assert reason.message == said
    assert (reason.until is not None) == (reason.cause is Cause.RATE)


def test_who_waits_for_a_job_that_counts_for_several_is_told_so(
    client: SyncClient, enqueue: Enqueue, hand: HandWorker
) -> None:
    rate = {"rate": "5/1h", "rate_key": "api"}
    for name in ("one", "two"):
        enqueue(name, **rate)
    enqueue("heavy", **rate, group="other", rate_weight=4)
    while hand.take_all("paint"):
        pass
    enqueue("light", **rate)
    assert hand.take_all("paint") == []
    heavy, light = only(client, "heavy"), only(client, "light")
    assert heavy.message == "rate key api may start 5 jobs in 1h, and has no room for 4 of them"
    assert light.message == "rate key api keeps its room for a job that counts for several and whose turn it is"
    assert {heavy.cause, light.cause} == {Cause.RATE}


def test_who_is_ahead_is_counted_and_the_first_is_told_that_nothing_keeps_it(
    client: SyncClient, enqueue: Enqueue, hand: HandWorker
) -> None:
    for name in ("one", "two", "three"):
        enqueue(name)
    enqueue("urgent", priority="critical")
    reason = only(client, "three")
    assert (reason.cause, reason.ahead, reason.message) == (Cause.AHEAD, 3, "3 jobs come first in queue walls")
    assert only(client, "urgent").cause is Cause.NEXT


def test_a_type_that_no_worker_knows_is_a_reason(client: SyncClient, enqueue: Enqueue, hand: HandWorker) -> None:
    hand.describe(types=["other"])
    enqueue("one")
    assert Cause.NO_WORKER in causes(client, "one")


def test_the_command_tells_the_same(cli: Cli, client: SyncClient, enqueue: Enqueue, hand: HandWorker) -> None:
    enqueue("one")
    client.pause("walls", reason="why not")
    assert cli("jobs", "why", "one").stdout == "paused\t\tqueue walls is paused: why not\n"
    assert cli.json("jobs", "why", "one") == {
        "id": "one",
        "reasons": [
            {
                "cause": "paused",
                "message": "queue walls is paused: why not",
                "until": None,
                "job": None,
                "ahead": None,
            }
        ],
    }
