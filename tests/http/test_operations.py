"""Operations on many jobs by the API."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from jobd.client import Client
from tests.http.api import JSON, Api
from tests.http.hand import Hand


async def test_an_operation_is_begun_looked_at_and_carried_on(api: Api, hand: Hand, client: Client) -> None:
    for name in ("a", "b"):
        await api.enqueue(id=name, queue="q_1", tags=["x"], metadata={"tenant": 5})
        await hand.fail(await hand.take(), "no")
    wanted = {"action": "retry", "filter": {"queue": "q-1", "tags": ["x"], "metadata": {"tenant": 5}}}
    found = await api.post("/api/v1/operations", {**wanted, "dry_run": True})
    assert (found.status, found.body["count"], found.body["exact"]) == (200, 2, True)
    assert [job["id"] for job in found.body["sample"]] == ["b", "a"]
    begun = await api.post("/api/v1/operations", {**wanted, "reason": "mended"})
    assert (begun.status, begun.body["status"], begun.body["action"]) == (202, "running", "retry")
    assert begun.headers["Location"] == f"/api/v1/operations/{begun.body['id']}"
    assert begun.body["filter"]["queue"] == "q_1"
    await client.carry_on("a monitor")
    over = (await api.get(begun.headers["Location"])).body
    assert (over["status"], over["seen"], over["done"], over["failed"]) == ("done", 2, 2, 0)
    assert over["ended_at"] is not None
    assert [row["id"] for row in (await api.get("/api/v1/operations")).body["data"]] == [over["id"]]


async def test_an_operation_is_cancelled(api: Api, client: Client) -> None:
    await api.enqueue(id="a")
    begun = (await api.post("/api/v1/operations", {"action": "cancel", "filter": {"type": "anything"}})).body
    assert (await api.post(f"/api/v1/operations/{begun['id']}/cancel")).body["status"] == "aborted"
    assert not await client.carry_on("a monitor")
    assert (await api.get("/api/v1/jobs/a")).body["status"] == "waiting"
    assert (await api.post("/api/v1/operations/nix/cancel")).status == 404


async def test_options_time_and_fields_of_the_data_of_all_that_fit_are_changed(api: Api, client: Client) -> None:
    for number in range(3):
        await api.enqueue(id=f"j{number}", type="add_up", data={"a": number, "b": 1}, queue="q")
    await api.enqueue(id="other", data={"value": 3})
    body = {
        "action": "change",
        "filter": {"queue": "q"},
        "changes": {"priority": "high", "run_at": "2100-01-31T08:00:00Z"},
        "data": {"b": 2},
    }
    assert (await api.post("/api/v1/operations", {**body, "dry_run": True})).body["count"] == 3
    begun = (await api.post("/api/v1/operations", body)).body
    await client.run_operation(begun["id"])
    assert (await api.get(f"/api/v1/operations/{begun['id']}")).body["done"] == 3
    for number in range(3):
        job = (await api.get(f"/api/v1/jobs/j{number}")).body
        assert (job["data"], job["priority"]) == ({"a": number, "b": 2}, 3)
        assert (job["status"], job["run_at"][:4]) == ("delayed", "2100")
    assert (await api.get("/api/v1/jobs/other")).body["data"]["value"] == 3
    wrong = (await api.post("/api/v1/operations", {**body, "data": {"colour": "blue"}})).body
    await client.run_operation(wrong["id"])
    told = (await api.get(f"/api/v1/operations/{wrong['id']}")).body
    assert (told["done"], told["failed"], [error["id"] for error in told["errors"]]) == (0, 3, ["j0", "j1", "j2"])


@pytest.mark.threat("S19")
@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/action"]),
        ({"action": "explode", "all": True}, []),
        ({"action": "retry"}, ["/filter"]),
        ({"action": "retry", "filter": {"status": "failed"}}, ["/filter"]),
        ({"action": "retry", "filter": {"colour": "red", "date": "soon"}}, ["/filter/colour", "/filter/date"]),
        ({"action": "change", "all": True, "changes": {"priority": 99}}, ["/priority"]),
        ({"action": "change", "all": True, "changes": {"queue": "other"}}, []),
        ({"action": "change", "all": True, "data": [1]}, ["/data"]),
        ({"action": "retry", "all": True, "data": {"n": 1}}, []),
        ({"action": "retry", "all": "yes", "most": 0, "nix": 1}, ["/all", "/most", "/nix"]),
    ],
)
async def test_what_makes_no_sense_is_refused(api: Api, body: dict[str, Any], pointers: list[str]) -> None:
    reply = await api.post("/api/v1/operations", body)
    assert reply.status == 422
    assert sorted(fault["pointer"] for fault in reply.body.get("errors", [])) == pointers
    assert (await api.get("/api/v1/operations")).body["data"] == []


@pytest.mark.requirement("3.1")
async def test_a_queue_is_drained_cleaned_retried_promoted_and_obliterated(api: Api, hand: Hand) -> None:
    await api.enqueue(id="done", queue="q")
    await hand.complete(await hand.take())
    await api.enqueue(id="lost", queue="q")
    await hand.fail(await hand.take(), "no")
    await api.enqueue(id="later", queue="q", delay_ms=60_000)
    await api.enqueue(id="waits", queue="q")
    assert (await api.post("/api/v1/queues/q/drain", {"dry_run": True})).body["count"] == 1
    drained = await api.post("/api/v1/queues/q/drain")
    assert (drained.status, drained.body["done"]) == (200, 1)
    assert (await api.post("/api/v1/queues/q/clean", {"older_than_ms": 3_600_000})).body["done"] == 0
    assert (await api.post("/api/v1/queues/q/clean", {"status": "completed"})).body["done"] == 1
    assert (await api.post("/api/v1/queues/q/retry-failed")).body["done"] == 1
    assert (await api.post("/api/v1/queues/q/promote-delayed")).body["done"] == 1
    await hand.take()
    assert (await api.delete("/api/v1/queues/q")).status == 409
    assert (await api.delete("/api/v1/queues/q?force=true")).body == {"removed": 2}
    assert (await api.get("/api/v1/queues/q")).body["unfinished"] == 0


@pytest.mark.parametrize(
    ("method", "path", "hint"),
    [
        ("POST", "/api/v1/queues/q/drain?dry_run=true", "say it in the body"),
        ("POST", "/api/queues/q/drain?dry_run=true", "say it in the body"),
        ("POST", "/api/v1/operations?dry_run=true", "say it in the body"),
        ("DELETE", "/api/v1/queues/q?dry_run=true", "there is force"),
        ("DELETE", "/api/v1/queues/q?forse=true", "there is force"),
        ("DELETE", "/api/v1/jobs/a?dry_run=true", "there are none here"),
        ("PATCH", "/api/v1/jobs/a?priority=1", "say it in the body"),
    ],
)
async def test_what_a_query_says_in_vain_is_refused_before_anything_is_done(
    api: Api, client: Client, method: str, path: str, hint: str
) -> None:
    before = await api.enqueue(id="a", queue="q")
    body = {"action": "remove", "filter": {"queue": "q"}} if path.startswith("/api/v1/operations") else {}
    refused = await api.ask(method, path, None if method == "DELETE" else orjson.dumps(body), JSON)
    assert (refused.status, refused.body["errors"][0]["code"]) == (400, "unknown_parameter")
    assert hint in refused.body["detail"]
    assert not await client.carry_on("a monitor")
    assert (await api.get("/api/v1/jobs/a")).body == before


async def test_lists_are_filtered_by_tag_and_metadata(api: Api) -> None:
    await api.enqueue(id="a", tags=["x", "y"], metadata={"tenant": 5, "name": "Ada"})
    await api.enqueue(id="b", tags=["x"], metadata={"tenant": "5"})

    async def listed(query: str) -> list[str]:
        return [job["id"] for job in (await api.get(f"/api/v1/jobs?{query}")).body["data"]]

    assert await listed("tag=x") == ["a", "b"]
    assert await listed("tag=x,y") == ["a"]
    assert await listed("metadata.tenant=5") == ["a"]
    assert await listed("metadata.name=Ada&tag=x") == ["a"]
    assert await listed("metadata.nix=5") == []


@pytest.mark.parametrize("word", ["yes", "1", "TRUE", ""])
async def test_force_is_true_or_false_and_no_other_word_means_either(api: Api, word: str) -> None:
    await api.enqueue(queue="q")
    refused = await api.delete(f"/api/v1/queues/q?force={word}")
    assert (refused.status, refused.body["errors"][0]["message"]) == (400, f"{word!r} is neither true nor false")
    assert (await api.delete("/api/v1/queues/q?force=false")).body == {"removed": 1}
