"""Looking at jobs, cancelling them, and running them again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.http.api import Api
from tests.http.hand import Hand


@pytest.mark.requirement("4.1")
async def test_a_completed_job_reads_back_with_its_result_attempts_and_times(api: Api, hand: Hand) -> None:
    await api.enqueue(id="one")
    await hand.complete(await hand.take(), {"sum": 3})
    job = (await api.get("/api/v1/jobs/one")).body

    assert (job["status"], job["result"], job["attempt"], job["worker"]) == ("completed", {"sum": 3}, 1, None)
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    (attempt,) = job["attempts"]
    assert (attempt["number"], attempt["worker"], attempt["outcome"]) == (1, "hand-1", "returned")
    assert attempt["duration_ms"] == job["duration_ms"] >= 0


async def test_a_failed_job_reads_back_with_its_error(api: Api, hand: Hand) -> None:
    await api.enqueue(id="one")
    await hand.fail(await hand.take(), "no such house")
    job = (await api.get("/api/v1/jobs/one")).body

    assert (job["status"], job["result"]) == ("failed", None)
    assert job["error"] == {"type": "ValueError", "message": "no such house"} == job["attempts"][0]["error"]


async def test_a_running_job_tells_who_has_it(api: Api, hand: Hand) -> None:
    await api.enqueue(id="one")
    await hand.take()
    job = (await api.get("/api/v1/jobs/one")).body

    assert (job["status"], job["worker"], job["finished_at"], job["duration_ms"]) == ("active", "hand-1", None, None)
    assert job["attempts"][0]["outcome"] is None


async def test_status_is_small(api: Api) -> None:
    await api.enqueue(id="one", data={"value": "x" * 10_000})

    assert (await api.get("/api/v1/jobs/one/status")).body == {
        "id": "one",
        "status": "waiting",
        "attempt": 0,
        "max_attempts": 4,
        "progress": None,
        "cancel_requested": False,
    }


async def test_progress_is_what_the_job_last_said(api: Api, hand: Hand) -> None:
    await api.enqueue(id="one")
    assert (await api.get("/api/v1/jobs/one/progress")).body == {"id": "one", "status": "waiting", "progress": None}

    await hand.say_progress(await hand.take(), done=3, total=12, message="three of twelve")
    progress = (await api.get("/api/v1/jobs/one/progress")).body["progress"]

    assert progress.pop("updated_at").endswith("Z")
    assert progress == {"done": 3, "total": 12, "percent": 25.0, "message": "three of twelve"}


async def test_the_attempts_of_a_job_are_a_list_of_their_own(api: Api, hand: Hand) -> None:
    await api.enqueue(id="one")
    await hand.fail(await hand.take(), "once")
    await api.post("/api/v1/jobs/one/retry")
    await hand.complete(await hand.take())
    body = (await api.get("/api/v1/jobs/one/attempts")).body

    assert [attempt["outcome"] for attempt in body["data"]] == ["raised", "returned"]
    assert body["page"] == {"limit": 2, "next_cursor": None}


async def test_the_log_of_a_job_is_a_list_of_lines(api: Api, hand: Hand) -> None:
    await api.enqueue(id="one")
    await hand.say_line(await hand.take(), "it rains", city="Bergen")
    (line,) = (await api.get("/api/v1/jobs/one/logs")).body["data"]

    assert line.pop("at").endswith("Z")
    assert line == {"attempt": 1, "level": "info", "text": "it rains", "fields": {"city": "Bergen"}}


async def test_a_result_before_the_end_is_a_conflict_that_will_pass(api: Api) -> None:
    await api.enqueue(id="one")
    reply = await api.get("/api/v1/jobs/one/result")

    assert (reply.status, reply.body["code"], reply.body["retryable"]) == (409, "not_finished", True)
    assert reply.headers["Retry-After"] == "1"


async def test_a_result_is_how_the_job_ended(api: Api, hand: Hand) -> None:
    await api.enqueue(id="one")
    await hand.give_in(await hand.take(), "nobody wants it")
    body = (await api.get("/api/v1/jobs/one/result")).body

    assert body.pop("finished_at").endswith("Z")
    assert body == {"id": "one", "status": "cancelled", "result": None, "error": None, "reason": "nobody wants it"}


@pytest.mark.parametrize("path", ["/api/v1/jobs/one", "/api/v1/jobs/one/result"])
async def test_who_prefers_to_wait_is_answered_at_the_end_of_the_job(api: Api, hand: Hand, path: str) -> None:
    await api.enqueue(id="one")
    delivery = await hand.take()
    asked = asyncio.create_task(api.get(path, Prefer="wait=99"))
    await hand.somebody_waits_for("one")
    await hand.complete(delivery, 42)
    reply = await asked

    assert (reply.status, reply.body["status"], reply.body["result"]) == (200, "completed", 42)
    assert reply.headers["Preference-Applied"] == "wait=60"


@pytest.mark.parametrize("wish", ["wait", "wait=soon", "wait=-1", "await=5", "respond-async"])
async def test_a_preference_that_cannot_be_met_is_ignored(api: Api, wish: str) -> None:
    await api.enqueue(id="one")
    reply = await api.get("/api/v1/jobs/one", Prefer=wish)

    assert reply.status == 200
    assert "Preference-Applied" not in reply.headers


async def test_a_job_that_has_not_started_is_cancelled_at_once(api: Api) -> None:
    await api.enqueue(id="one")
    reply = await api.post("/api/v1/jobs/one/cancel", {"reason": "a mistake"})

    assert (reply.status, reply.body["status"], reply.body["reason"]) == (200, "cancelled", "a mistake")


async def test_a_running_job_is_cancelled_by_its_worker_and_202_says_so(api: Api, hand: Hand) -> None:
    await api.enqueue(id="one")
    await hand.take()
    reply = await api.post("/api/v1/jobs/one/cancel")

    assert (reply.status, reply.body["status"], reply.body["cancel_requested"]) == (202, "active", True)


async def test_a_job_that_completed_although_it_was_to_be_cancelled_shows_both(api: Api, hand: Hand) -> None:
    await api.enqueue(id="one")
    delivery = await hand.take()
    await api.post("/api/v1/jobs/one/cancel", {"reason": "a mistake"})
    await hand.complete(delivery)
    job = (await api.get("/api/v1/jobs/one")).body

    assert (job["status"], job["cancel_requested"], job["reason"]) == ("completed", True, "a mistake")


async def test_a_job_that_has_ended_cannot_be_cancelled_but_run_again(api: Api, hand: Hand) -> None:
    await api.enqueue(id="one")
    await hand.complete(await hand.take())
    refused = await api.post("/api/v1/jobs/one/cancel", {})
    again = await api.post("/api/v1/jobs/one/retry", {})

    assert (refused.status, refused.body["code"]) == (409, "conflict")
    assert "completed" in refused.body["detail"]
    assert (again.status, again.body["status"]) == (200, "waiting")


async def test_a_job_that_runs_cannot_be_run_again(api: Api, hand: Hand) -> None:
    await api.enqueue(id="one")
    await hand.take()
    reply = await api.post("/api/v1/jobs/one/retry")

    assert (reply.status, reply.body["code"]) == (409, "conflict")
    assert "active" in reply.body["detail"]


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/api/v1/jobs/one/cancel", {"because": "x"}, "/because"),
        ("/api/v1/jobs/one/cancel", {"reason": 5}, "/reason"),
        ("/api/v1/jobs/one/cancel", {"reason": "x" * 1_001}, "/reason"),
        ("/api/v1/jobs/one/retry", {"at": "now"}, "/at"),
        ("/api/v1/jobs/one/retry", [], ""),
    ],
)
async def test_a_change_with_a_wrong_body_changes_nothing(api: Api, path: str, body: Any, pointer: str) -> None:
    before = await api.enqueue(id="one")
    reply = await api.post(path, body)

    assert (reply.status, reply.pointers) == (422, [pointer])
    assert (await api.get("/api/v1/jobs/one")).body == before


@pytest.mark.parametrize("job_id", ["nix", "01M80TBM6S00TQZ1SKX0SB1CM2", "a%2Fb", "%00", "%FF", "stats", "x" * 500])
@pytest.mark.parametrize("what", ["", "/status", "/progress", "/result", "/attempts", "/logs"])
async def test_a_job_that_is_not_there_is_not_found(api: Api, job_id: str, what: str) -> None:
    reply = await api.get(f"/api/v1/jobs/{job_id}{what}")

    assert (reply.status, reply.body["code"]) == (404, "not_found")


@pytest.mark.parametrize("verb", ["cancel", "retry"])
async def test_a_job_that_is_not_there_cannot_be_changed(api: Api, verb: str) -> None:
    assert (await api.post(f"/api/v1/jobs/nix/{verb}")).status == 404
