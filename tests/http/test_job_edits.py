"""Jobs are changed, moved, copied and removed by the API."""

from __future__ import annotations

from typing import Any

import pytest

from jobd.client import Client
from tests.http.api import Api
from tests.http.hand import Hand

LETTER = {"to": "ada@example.com", "subject": "Hello"}


async def test_a_job_that_has_not_started_is_changed_in_what_is_named_alone(api: Api) -> None:
    await api.enqueue(id="a", data={"value": 1}, tags=["x"], metadata={"tenant": 5}, delay_ms=60_000)
    before = (await api.get("/api/v1/jobs/a")).body
    del before["hint"]
    reply = await api.patch("/api/v1/jobs/a", {"data": {"value": 2}, "priority": "critical", "max_attempts": 9})
    assert reply.status == 200
    assert reply.body == {**before, "data": {"value": 2}, "priority": 1, "max_attempts": 9}
    reply = await api.patch("/api/v1/jobs/a", {"run_at": "2100-01-01T00:00:00Z", "tags": ["y"], "timeout_ms": 5_000})
    assert (reply.body["run_at"], reply.body["tags"]) == ("2100-01-01T00:00:00.000Z", ["y"])
    assert (reply.body["metadata"], reply.body["timeout_ms"], reply.body["data"]) == (
        {"tenant": 5},
        5_000,
        {"value": 2},
    )
    reply = await api.patch("/api/v1/jobs/a", {"delay_ms": 0})
    assert reply.body["status"] == "waiting"


async def test_what_a_newer_jobd_has_added_to_a_job_stays_with_it(api: Api, client: Client) -> None:
    await api.enqueue(id="one", tags=["a"], delay_ms=60_000)
    shard = client.store.shards[0]
    key, old, new = shard.keys.fixed("jobs"), b'"tags":["a"]', b'"novel":{"x":1},"tags":["a"]'
    spec = await shard.link.command("HGET", key, "one")
    size = int.from_bytes(spec[18:22]) + len(new) - len(old)
    spec = spec[:18] + size.to_bytes(4) + spec[22:].replace(old, new)
    await shard.link.command("HSET", key, "one", spec)

    changed = await api.patch("/api/v1/jobs/one", {"priority": 1})
    assert (changed.status, changed.body["priority"], changed.body["tags"]) == (200, 1, ["a"])
    assert b'"novel":{"x":1}' in await shard.link.command("HGET", key, "one")


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"data": {"to": 5, "subject": "x"}}, ["/data/to"]),
        ({"data": {"nix": 5}}, ["/data/nix", "/data/subject", "/data/to"]),
        ({"priority": 11, "reason": "x"}, ["/priority", "/reason"]),
        ({"run_at": "2100-01-01T00:00:00Z", "delay_ms": 5}, ["/run_at"]),
        ({"queue": "other"}, []),
    ],
)
async def test_a_wrong_change_is_refused_whole(api: Api, body: dict[str, Any], pointers: list[str]) -> None:
    await api.enqueue(type="send-letter", data=LETTER, id="a")
    before = (await api.get("/api/v1/jobs/a")).body
    reply = await api.patch("/api/v1/jobs/a", body)
    assert reply.status == 422
    assert sorted(fault["pointer"] for fault in reply.body.get("errors", [])) == pointers
    assert (await api.get("/api/v1/jobs/a")).body == before


async def test_a_job_that_runs_is_neither_changed_moved_nor_removed(api: Api, hand: Hand) -> None:
    await api.enqueue(id="a")
    await hand.take()
    for reply in (
        await api.patch("/api/v1/jobs/a", {"priority": 1}),
        await api.post("/api/v1/jobs/a/promote"),
        await api.post("/api/v1/jobs/a/move", {"queue": "other"}),
        await api.delete("/api/v1/jobs/a"),
    ):
        assert (reply.status, reply.body["code"]) == (409, "conflict")
        assert "active" in reply.body["detail"]


async def test_a_delayed_job_is_promoted(api: Api, hand: Hand) -> None:
    await api.enqueue(id="a", delay_ms=60_000)
    assert (await api.post("/api/v1/jobs/a/promote")).body["status"] == "waiting"
    assert (await hand.take()).id == "a"


@pytest.mark.requirement("2.12")
async def test_a_failed_job_is_sent_to_another_queue_and_both_tell_of_it(api: Api, hand: Hand) -> None:
    await api.enqueue(id="a", tags=["x"], max_attempts=2)
    await hand.fail(await hand.take(), "no")
    reply = await api.post("/api/v1/jobs/a/move", {"queue": "slow", "reason": "too big", "priority": "low"})
    assert reply.status == 201
    assert reply.headers["Location"] == f"/api/v1/jobs/{reply.body['id']}"
    job = reply.body
    assert (job["queue"], job["origin"], job["status"], job["priority"]) == ("slow", "a", "waiting", 7)
    assert (job["tags"], job["attempt"], job["max_attempts"]) == (["x"], 0, 2)
    old = (await api.get("/api/v1/jobs/a")).body
    assert (old["status"], old["reason"], old["moved_to"]) == ("cancelled", "too big", job["id"])
    assert old["error"]["message"] == "no"
    assert (await hand.take()).id == job["id"]


async def test_a_move_to_nowhere_or_to_where_it_is_is_refused(api: Api) -> None:
    await api.enqueue(id="a", queue="here")
    assert (await api.post("/api/v1/jobs/a/move", {})).pointers == ["/queue"]
    assert (await api.post("/api/v1/jobs/a/move", {"queue": "Not A Name"})).status == 422
    assert "already" in (await api.post("/api/v1/jobs/a/move", {"queue": "here"})).body["detail"]


async def test_a_job_is_copied_whatever_has_become_of_it(api: Api, hand: Hand) -> None:
    await api.enqueue(id="a", data={"value": 1}, tags=["x"], delay_ms=60_000)
    reply = await api.post("/api/v1/jobs/a/duplicate", {"data": {"value": 2}, "id": "b"})
    assert reply.status == 201
    job = reply.body
    assert (job["id"], job["origin"], job["data"], job["tags"]) == ("b", "a", {"value": 2}, ["x"])
    assert job["status"] == "waiting"
    await hand.complete(await hand.take())
    assert (await api.post("/api/v1/jobs/b/duplicate", {"id": "c"})).body["origin"] == "b"


@pytest.mark.parametrize(("verb", "body"), [("duplicate", {}), ("move", {"queue": "slow"})])
async def test_what_is_made_of_a_delayed_job_without_a_delay_runs_now(
    api: Api, hand: Hand, verb: str, body: dict[str, Any]
) -> None:
    await api.enqueue(id="a", delay_ms=60_000)
    reply = await api.post(f"/api/v1/jobs/a/{verb}", {"delay_ms": 0, **body})
    assert (reply.status, reply.body["status"]) == (201, "waiting")
    assert (await hand.take()).id == reply.body["id"]


async def test_a_job_is_removed_and_removing_it_again_is_fine(api: Api, hand: Hand) -> None:
    await api.enqueue(id="a")
    await hand.complete(await hand.take())
    for _ in range(2):
        reply = await api.delete("/api/v1/jobs/a")
        assert (reply.status, reply.text) == (204, b"")
    assert (await api.get("/api/v1/jobs/a")).status == 404
    assert (await api.delete("/api/v1/jobs/nobody")).status == 404


async def test_others_than_its_handler_speak_for_a_running_job(api: Api, hand: Hand) -> None:
    await api.enqueue(id="a")
    assert (await api.post("/api/v1/jobs/a/progress", {"done": 1})).status == 409
    await hand.take()
    assert (await api.post("/api/v1/jobs/a/progress", {"done": 1, "total": 2, "message": "half"})).status == 204
    progress = (await api.get("/api/v1/jobs/a/progress")).body["progress"]
    assert (progress["done"], progress["total"], progress["message"]) == (1, 2, "half")
    line = {"text": "hot", "level": "warning", "fields": {"degrees": 90}}
    assert (await api.post("/api/v1/jobs/a/logs", line)).status == 204
    (told,) = (await api.get("/api/v1/jobs/a/logs")).body["data"]
    assert {name: told[name] for name in line} == line
    assert told["attempt"] == 1
    for path, body, pointer in (
        ("progress", {"done": "x"}, "/done"),
        ("progress", {}, "/done"),
        ("progress", {"done": 1, "total": "x"}, "/total"),
        ("logs", {"level": "info"}, "/text"),
        ("logs", {"text": "x", "level": "loud"}, "/level"),
        ("logs", {"text": "x", "fields": 5}, "/fields"),
        ("logs", {"text": "x", "nix": 5}, "/nix"),
    ):
        reply = await api.post(f"/api/v1/jobs/a/{path}", body)
        assert (reply.status, [fault["pointer"] for fault in reply.body["errors"]]) == (422, [pointer])
    assert (await api.post("/api/v1/jobs/none/logs", {"text": "x"})).status == 404
