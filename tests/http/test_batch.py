"""POST /api/v1/jobs/batch."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import Api

GOOD = {"type": "anything", "data": {"value": 1}}


async def post(api: Api, jobs: Any, **more: Any) -> Any:
    return await api.post("/api/v1/jobs/batch", {"jobs": jobs, **more})


async def test_a_batch_is_answered_with_201_and_its_jobs_in_order(api: Api) -> None:
    reply = await post(api, [GOOD, {"type": "add-up", "data": {"a": 1, "b": 2}, "id": "mine"}, {**GOOD, "queue": "q"}])

    assert reply.status == 201
    assert [(job["type"], job["queue"], job["created"]) for job in reply.body["data"]] == [
        ("anything", "default", True),
        ("add_up", "default", True),
        ("anything", "q", True),
    ]
    for job in reply.body["data"]:
        assert (await api.get(f"/api/v1/jobs/{job['id']}")).body["status"] == "waiting"


async def test_a_thousand_jobs_are_one_batch_and_one_more_is_refused(api: Api) -> None:
    assert (await post(api, [GOOD] * 1_001)).pointers == ["/jobs"]
    assert (await api.get("/api/v1/queues")).body["data"] == []

    reply = await post(api, [{**GOOD, "id": f"n{number}"} for number in range(1_000)])

    assert (reply.status, len(reply.body["data"])) == (201, 1_000)
    assert (await api.get("/api/v1/queues/default")).body["counts"]["waiting"] == 1_000


async def test_a_batch_that_is_sent_again_makes_nothing_new_and_says_so(api: Api) -> None:
    jobs = [{**GOOD, "id": "one"}, {**GOOD, "id": "two"}]
    first, again = await post(api, jobs), await post(api, [*jobs, {**GOOD, "id": "one"}])

    assert (first.status, again.status) == (201, 200)
    assert [job["created"] for job in again.body["data"]] == [False, False, False]


@pytest.mark.requirement("4.8")
async def test_one_wrong_job_and_none_is_taken(api: Api) -> None:
    wrong = {"type": "send-letter", "data": {"to": 7, "subject": "x"}}
    reply = await post(api, [GOOD, GOOD, GOOD, wrong, GOOD])

    assert (reply.status, reply.headers["Content-Type"]) == (422, "application/problem+json")
    assert reply.pointers == ["/jobs/3/data/to"]
    assert reply.body["detail"].startswith("1 of 5 jobs cannot be taken, so none was: /jobs/3/data/to")
    assert (await api.get("/api/v1/queues")).body["data"] == []


async def test_every_wrong_job_is_named(api: Api) -> None:
    reply = await post(api, [3, GOOD, None, {"type": "nix"}, {**GOOD, "priority": 0}, {**GOOD, "x": 1}, {}])

    assert reply.status == 422
    assert reply.pointers == ["/jobs/0", "/jobs/2", "/jobs/3/type", "/jobs/4/priority", "/jobs/5/x", "/jobs/6/type"]


async def test_a_batch_of_unknown_types_alone_has_their_code(api: Api) -> None:
    assert (await post(api, [{"type": "nix"}, {"type": "nax"}])).body["code"] == "unknown_type"


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/jobs"]),
        ({"jobs": {}}, ["/jobs"]),
        ({"jobs": []}, ["/jobs"]),
        ({"jobs": [GOOD], "job": []}, ["/job"]),
        ({"type": "anything"}, ["/type", "/jobs"]),
        ([GOOD], [""]),
    ],
)
async def test_what_is_not_a_batch_is_refused(api: Api, body: Any, pointers: list[str]) -> None:
    reply = await api.post("/api/v1/jobs/batch", body)

    assert (reply.status, reply.pointers) == (422, pointers)
