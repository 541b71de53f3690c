"""POST /api/v1/jobs."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from jobd.client import Client
from jobd.domain.delivery import NewJob
from tests.http.api import Api
from tests.http.hand import Hand

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
LETTER = {"to": "ada@example.com", "subject": "Hello", "body": "…"}


@pytest.mark.requirement("4.1")
async def test_a_new_job_is_answered_with_201_its_place_and_itself(api: Api) -> None:
    reply = await api.post("/api/v1/jobs", {"type": "send-letter", "data": LETTER})

    assert reply.status == 201
    assert reply.headers["Location"] == f"/api/v1/jobs/{reply.body['id']}"
    assert reply.body == (await api.get(reply.headers["Location"])).body


async def test_a_job_reads_back_with_the_names_of_the_contract(api: Api) -> None:
    job = await api.enqueue(data={"value": 1})

    assert re.fullmatch(r"[0-9A-Z]{26}", job.pop("id"))
    assert TIME.fullmatch(job["created_at"])
    assert job.pop("created_at") == job.pop("run_at")
    assert job == {
        "type": "anything",
        "queue": "default",
        "status": "waiting",
        "data": {"value": 1},
        "priority": 5,
        "attempt": 0,
        "max_attempts": 4,
        "timeout_ms": 0,
        "backoff": None,
        "tags": [],
        "metadata": {},
        "progress": None,
        "result": None,
        "error": None,
        "reason": None,
        "hint": "no worker runs; start `jobd run`",
        "cancel_requested": False,
        "origin": None,
        "moved_to": None,
        "worker": None,
        "deliveries": 0,
        "started_at": None,
        "finished_at": None,
        "duration_ms": None,
        "attempts": [],
    }


async def test_options_of_the_type_hold_and_those_of_the_job_win(api: Api) -> None:
    plain = (await api.post("/api/v1/jobs", {"type": "add-up", "data": {"a": 1, "b": 2}})).body
    own = await api.enqueue(
        data={"value": None},
        queue="slow",
        priority="background",
        max_attempts=7,
        backoff={"kind": "fixed", "base_ms": 1_500},
        timeout_ms=90_000,
        tags=["red", "blue"],
        metadata={"tenant": {"id": 7}},
    )

    assert (plain["type"], plain["priority"], plain["timeout_ms"]) == ("add_up", 3, 30_000)
    assert (own["queue"], own["priority"], own["max_attempts"], own["timeout_ms"]) == ("slow", 10, 7, 90_000)
    assert own["backoff"] == {"kind": "fixed", "base_ms": 1_500, "cap_ms": 1_500, "jitter": 0.0}
    assert (own["tags"], own["metadata"]) == (["red", "blue"], {"tenant": {"id": 7}})


@pytest.mark.parametrize("priority", [1, "1", "critical", "Critical"])
async def test_a_priority_is_a_number_or_a_name(api: Api, priority: Any) -> None:
    assert (await api.enqueue(priority=priority))["priority"] == 1


async def test_retries_is_max_attempts_without_the_first(api: Api) -> None:
    assert (await api.enqueue(retries=0))["max_attempts"] == 1


@pytest.mark.parametrize("later", [{"delay_ms": 60_000}, {"delay_ms": "1m"}, {"run_at": "2998-01-01T09:00:00+02:00"}])
async def test_a_job_for_later_is_delayed(api: Api, later: dict[str, Any]) -> None:
    job = await api.enqueue(**later)

    assert job["status"] == "delayed"
    assert job["run_at"] > job["created_at"]
    if "run_at" in later:
        assert job["run_at"] == "2998-01-01T07:00:00.000Z"


async def test_null_is_as_good_as_nothing(api: Api) -> None:
    job = await api.enqueue(data=None, queue=None, priority=None, run_at=None, id=None, tags=None)

    assert (job["queue"], job["priority"], job["status"]) == ("default", 5, "waiting")


async def test_a_second_enqueue_with_the_same_id_is_answered_with_200_and_the_first_job(api: Api) -> None:
    first = await api.post("/api/v1/jobs", {"type": "anything", "data": {"value": 1}, "id": "order:17"})
    second = await api.post("/api/v1/jobs", {"type": "anything", "data": {"value": 2}, "id": "order:17"})

    assert (first.status, second.status) == (201, 200)
    assert second.body == first.body
    assert second.headers["Location"] == "/api/v1/jobs/order:17"


async def test_any_text_of_unicode_comes_back_as_it_went_in(api: Api) -> None:
    value = {"text": "\0 \u202e ż ﷽ 🐝 \\u0000 é é", "whole": [2**64 - 1, -(2**63), 2**53 + 1], "part": 1.5e300}

    assert (await api.enqueue(data={"value": value}))["data"] == {"value": value}


async def test_a_type_that_nobody_knows_waits_in_the_queue_that_is_named(api: Api) -> None:
    job = (await api.post("/api/v1/jobs", {"type": "made-elsewhere", "queue": "elsewhere", "data": {"a": 1}})).body

    assert (job["type"], job["queue"], job["status"]) == ("made-elsewhere", "elsewhere", "waiting")


@pytest.mark.parametrize(
    "own",
    [
        {"priority": 1, "tags": ["red"], "metadata": {"tenant": 7}, "timeout_ms": 5, "ordering_key": "o"},
        {"unique": {"key": "k"}},
        {"delay_ms": 60_000},
        {"id": "of-my-choice", "data": {"value": 2**64 - 1}},
    ],
)
async def test_a_job_is_answered_as_it_reads_back_whatever_it_was_asked_for(api: Api, own: dict[str, Any]) -> None:
    for wanted in (own, own | {"id": "another", "unique": None}):
        reply = await api.post("/api/v1/jobs", {"type": "anything", "data": {"value": 1}} | wanted)

        assert reply.status == 201
        assert reply.body == (await api.get(reply.headers["Location"])).body


@pytest.mark.parametrize("wish", [{}, {"Prefer": "wait=0"}])
async def test_a_job_that_is_gone_before_it_is_read_back_was_accepted_all_the_same(
    api: Api, client: Client, wish: dict[str, str]
) -> None:
    taking_in = client.store.enqueue_dated

    async def take_in_and_lose(job: NewJob) -> Any:
        await taking_in(job)
        await client.store.shards[0].link.command("FLUSHALL")
        return True, None

    client.store.enqueue_dated = take_in_and_lose  # type: ignore[method-assign]  # a moment that cannot be hit otherwise
    reply = await api.ask("POST", "/api/v1/jobs", b'{"type":"anything"}', {"Content-Type": "application/json"} | wish)

    assert reply.status == 201
    assert reply.body["id"] in reply.headers["Location"]


async def test_prefer_wait_answers_with_the_ended_job(api: Api, hand: Hand) -> None:
    asked = asyncio.create_task(api.post("/api/v1/jobs", {"type": "anything", "id": "wanted"}, Prefer="wait=30"))
    await hand.complete(await hand.take_when_there(), {"sum": 3})
    reply = await asked

    assert (reply.status, reply.body["status"], reply.body["result"]) == (201, "completed", {"sum": 3})
    assert reply.headers["Preference-Applied"] == "wait=30"


async def test_prefer_wait_answers_with_the_unfinished_job_when_the_wait_is_over(api: Api) -> None:
    reply = await api.post("/api/v1/jobs", {"type": "anything"}, Prefer="respond-async, wait=0")

    assert (reply.status, reply.body["status"]) == (201, "waiting")
    assert reply.headers["Preference-Applied"] == "wait=0"


async def test_a_full_queue_is_answered_with_429_and_when_to_come_again(api: Api) -> None:
    await api.patch("/api/v1/limits", {"queue": "small", "size": 1})
    await api.enqueue(queue="small")
    reply = await api.post("/api/v1/jobs", {"type": "anything", "queue": "small"})

    assert (reply.status, reply.body["code"], reply.body["retryable"]) == (429, "queue_full", True)
    assert reply.headers["Retry-After"] == "2"
    assert "1 jobs of 1" in reply.body["detail"]
