"""The admin API of queues that another system's users know."""

from __future__ import annotations

import pytest

from tests.http.api import Api
from tests.http.hand import Hand


@pytest.mark.requirement("4.5")
async def test_stats_and_lists_of_a_queue(api: Api, hand: Hand) -> None:
    await api.enqueue(id="bad", queue="data_export")
    await hand.fail(await hand.take(), "no")
    await api.enqueue(id="good", queue="data_export")
    await hand.complete(await hand.take())
    await api.enqueue(id="runs", queue="data_export")
    await hand.take()
    await api.enqueue(id="waits", queue="data_export")
    await api.enqueue(id="later", queue="data_export", delay_ms=60_000)
    stats = (await api.get("/api/queues/data-export/stats")).body
    assert stats == {
        "queue": "data_export",
        **dict.fromkeys(("waiting", "active", "completed", "failed", "delayed"), 1),
        "blocked": 0,
        "cancelled": 0,
        "paused": False,
    }
    assert (await api.get("/api/queues/stats")).body["data"] == [stats]
    states = {"failed": "bad", "completed": "good", "active": "runs", "waiting": "waits", "delayed": "later"}
    for state, job_id in states.items():
        reply = await api.get(f"/api/queues/data-export/{state}")
        assert [job["id"] for job in reply.body["data"]] == [job_id]
        assert reply.headers["Link"] == f'</api/v1/jobs?queue=data-export&status={state}>; rel="canonical"'
    assert (await api.get("/api/queues/nix/stats")).status == 404


@pytest.mark.requirement("4.5")
async def test_a_queue_is_healthy_and_degraded_while_it_is_paused(api: Api, hand: Hand) -> None:
    await api.enqueue(queue="q")
    assert (await api.get("/api/queues/q/health")).body["status"] == "healthy"
    assert (await api.post("/api/queues/q/pause", {"reason": "why"})).body["reason"] == "why"
    reply = await api.get("/api/queues/q/health")
    assert (reply.status, reply.body["status"], reply.body["paused"]["reason"]) == (200, "degraded", "why")
    assert (await api.post("/api/queues/q/resume")).body == {"resumed": True}


@pytest.mark.requirement("4.5")
async def test_a_queue_in_which_jobs_wait_that_nobody_takes_is_unhealthy(api: Api) -> None:
    await api.enqueue(queue="q")
    assert (await api.get("/api/queues/health")).status == 503
    reply = await api.get("/api/queues/q/health")
    assert (reply.status, reply.body["status"]) == (503, "unhealthy")


@pytest.mark.requirement("4.5")
async def test_jobs_of_a_queue_are_retried_removed_cleaned_and_drained(api: Api, hand: Hand) -> None:
    await api.enqueue(id="a", queue="q")
    await hand.fail(await hand.take(), "no")
    assert (await api.post("/api/queues/other/jobs/a/retry")).status == 404
    assert (await api.post("/api/queues/q/jobs/a/retry")).body["status"] == "waiting"
    assert (await api.post("/api/queues/q/drain")).body["done"] == 1
    await api.enqueue(id="b", queue="q")
    await hand.complete(await hand.take())
    assert (await api.delete("/api/queues/other/jobs/b")).status == 404
    assert (await api.delete("/api/queues/q/jobs/b")).status == 204
    assert (await api.get("/jobs/b")).status == 404
    await api.enqueue(id="c", queue="q")
    await hand.complete(await hand.take())
    assert (await api.post("/api/queues/q/clean", {"status": "completed"})).body["done"] == 1


async def test_deleting_a_job_as_e_does_cancels_it_and_keeps_its_record(api: Api, hand: Hand) -> None:
    await api.enqueue(id="a")
    assert (await api.delete("/jobs/a")).body["status"] == "cancelled"
    assert (await api.get("/jobs/a")).body["status"] == "cancelled"
    reply = await api.delete("/jobs/a")
    assert (reply.status, reply.body["code"]) == (409, "conflict")
    await api.enqueue(id="b")
    await hand.take()
    reply = await api.delete("/jobs/b")
    assert (reply.status, reply.body["cancel_requested"]) == (202, True)
