"""`Idempotency-Key`: requests that enqueue may come again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jobd.client import Client
from tests.http.api import Api, Reply
from tests.http.hand import Hand

JOB = {"type": "anything", "data": {"value": 1}}


async def post(api: Api, body: Any, key: str, path: str = "/api/v1/jobs") -> Reply:
    return await api.post(path, body, Idempotency_Key=key)


async def test_a_request_that_comes_again_has_the_answer_of_before(api: Api) -> None:
    first, again = await post(api, JOB, "abc"), await post(api, {"data": {"value": 1}, "type": "anything"}, "abc")

    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert again.headers["Location"] == first.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (await api.get("/api/v1/queues/default")).body["counts"]["waiting"] == 1


async def test_it_is_the_same_job_however_far_it_has_come(api: Api, hand: Hand) -> None:
    first = await post(api, JOB, "abc")
    await hand.complete(await hand.take(), 7)
    again = await post(api, JOB, "abc")

    assert (again.status, again.body["id"], again.body["result"]) == (201, first.body["id"], 7)


async def test_it_is_the_same_answer_when_the_job_is_gone(api: Api, client: Client) -> None:
    first = await post(api, JOB, "abc")
    await client.cancel(first.body["id"])
    await client.remove(first.body["id"])
    again = await post(api, JOB, "abc")

    assert (again.status, again.body["id"], again.body["outcome"]) == (201, first.body["id"], "created")


@pytest.mark.threat("S16")
async def test_another_body_under_the_same_key_is_refused(api: Api) -> None:
    await post(api, JOB, "abc")
    for path, body in (
        ("/api/v1/jobs", {**JOB, "data": {"value": 2}}),
        ("/api/v1/jobs/batch", {"jobs": [JOB]}),
    ):
        reply = await post(api, body, "abc", path)
        assert (reply.status, reply.body["code"]) == (422, "idempotency_mismatch")
    assert (await post(api, JOB, "abd")).status == 201


async def test_the_path_of_other_systems_is_the_same_path(api: Api) -> None:
    first, again = await post(api, JOB, "abc"), await post(api, JOB, "abc", "/jobs")

    assert again.body["id"] == first.body["id"]


async def test_a_request_that_was_refused_may_come_again_corrected(api: Api) -> None:
    assert (await post(api, {**JOB, "priority": 99}, "abc")).status == 422
    assert (await post(api, JOB, "abc")).status == 201


@pytest.mark.parametrize("size", [3, 1_000])
async def test_a_batch_that_comes_again_has_the_answer_of_before(api: Api, size: int) -> None:
    await api.enqueue(unique="k")
    jobs = [{"type": "anything", "data": {"value": n}, "priority": 1 + n % 3} for n in range(size - 1)]
    body = {"jobs": [*jobs, {**JOB, "unique": "k"}]}
    first, again = [await post(api, body, "abc", "/api/v1/jobs/batch") for _ in range(2)]

    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert first.body["data"][-1]["outcome"] == "existing"
    assert (await api.get("/api/v1/queues/default")).body["counts"]["waiting"] == size


async def test_of_requests_that_come_at_once_one_takes_effect(api: Api) -> None:
    replies = await asyncio.gather(*(post(api, JOB, "abc") for _ in range(20)))

    assert len({reply.body["id"] for reply in replies}) == 1
    assert sum("Idempotency-Replayed" not in reply.headers for reply in replies) == 1


@pytest.mark.threat("S16")
@pytest.mark.parametrize("key", ["", " ", "a" * 256, "ü", "a\tb"])
async def test_what_cannot_be_a_key_is_refused(api: Api, key: str) -> None:
    assert (await post(api, JOB, key)).status == 400
    assert (await api.get("/api/v1/queues")).body["data"] == []
