"""Unique jobs and their keys over HTTP."""

from __future__ import annotations

from tests.http.api import Api
from tests.http.hand import Hand

JOB = {"type": "anything", "data": {"value": 1}}


async def test_the_job_that_has_the_key_is_the_answer_and_is_marked(api: Api) -> None:
    first = await api.post("/api/v1/jobs", {**JOB, "unique": "k"})
    again = await api.post("/api/v1/jobs", {**JOB, "unique": "k"})

    assert (first.status, first.headers["Jobd-Outcome"]) == (201, "created")
    assert first.headers["Jobd-Durability"] == "server"
    assert (again.status, again.headers["Jobd-Outcome"]) == (200, "existing")
    assert again.body["id"] == first.body["id"]
    assert again.headers["Location"] == f"/api/v1/jobs/{first.body['id']}"
    assert first.body["unique"] == {"key": "k"}
    assert first.body["unique_key"] == again.body["unique_key"]
    assert "unique_key" not in await api.enqueue()


async def test_a_conflict_that_is_an_error_is_a_409_with_the_id(api: Api) -> None:
    first = await api.enqueue(unique="k")
    reply = await api.post("/api/v1/jobs", {**JOB, "unique": {"key": "k", "on_conflict": "error"}})

    assert (reply.status, reply.headers["Content-Type"]) == (409, "application/problem+json")
    assert (reply.body["code"], reply.body["job_id"]) == ("unique_conflict", first["id"])
    assert reply.body["type"] == "/problems/unique-conflict"


async def test_a_conflict_that_is_ignored_is_answered_with_nothing(api: Api) -> None:
    await api.enqueue(unique="k")
    reply = await api.post("/api/v1/jobs", {**JOB, "unique": {"key": "k", "on_conflict": "ignore"}})

    assert (reply.status, reply.text) == (204, b"")


async def test_a_batch_tells_what_became_of_each(api: Api) -> None:
    first = await api.enqueue(unique="k")
    jobs = [{**JOB, "unique": {"key": "k", "mode": "replace"}}, {**JOB, "unique": "k"}, JOB]
    reply = await api.post("/api/v1/jobs/batch", {"jobs": jobs})

    assert reply.status == 201
    assert [(job["outcome"], job["created"]) for job in reply.body["data"]] == [
        ("replaced", False),
        ("existing", False),
        ("created", True),
    ]
    assert [job["id"] == first["id"] for job in reply.body["data"]] == [True, True, False]
    assert (await api.get(f"/api/v1/jobs/{first['id']}")).body["data"] == {"value": 1}


async def test_what_is_wrong_with_it_is_named_at_its_place(api: Api) -> None:
    for wrong in ({"mode": "some"}, ["no-such-field"], {"mode": "throttle"}, 5):
        assert (await api.post("/api/v1/jobs", {**JOB, "unique": wrong})).pointers == ["/unique"]
    debounced = {**JOB, "unique": {"mode": "debounce", "period": "5s"}, "delay_ms": 5}
    assert (await api.post("/api/v1/jobs", debounced)).pointers == ["/unique"]


async def test_keys_are_listed_shown_and_freed(api: Api, hand: Hand) -> None:
    first = await api.enqueue(unique={"key": "k", "mode": "keep_last"})
    await hand.take()
    second = await api.enqueue(unique={"key": "k", "mode": "keep_last"})
    other = await api.enqueue(unique={"key": "t", "mode": "throttle", "period_ms": 60_000})
    assert second["status"] == "blocked"

    listed = (await api.get("/api/v1/unique-keys")).body
    assert {(key["owner"], key["follower"]) for key in listed["data"]} == {
        (first["id"], second["id"]),
        (other["id"], None),
    }
    assert listed["page"]["next_cursor"] is None
    found = (await api.get("/api/v1/unique-keys?type=anything&key=t")).body["data"]
    assert [key["owner"] for key in found] == [other["id"]]
    assert found[0]["since"] < found[0]["until"]
    assert (await api.get("/api/v1/unique-keys?type=anything&key=nobodys")).body["data"] == []

    path = f"/api/v1/unique-keys/{first['unique_key']}"
    assert (await api.get(path)).body["owner"] == first["id"]
    refused = await api.ask("DELETE", f"{path}?owner={other['id']}")
    assert (refused.status, refused.body["job_id"]) == (409, first["id"])
    assert (await api.ask("DELETE", f"{path}?owner={first['id']}")).status == 204
    assert (await api.ask("DELETE", path)).status == 204
    assert (await api.get(path)).status == 404
    assert (await api.get(f"/api/v1/jobs/{second['id']}")).body["status"] == "waiting"


async def test_pages_of_keys_go_on_where_they_ended(api: Api) -> None:
    jobs = [{**JOB, "unique": f"k{n}"} for n in range(600)]
    await api.post("/api/v1/jobs/batch", {"jobs": jobs})
    seen, cursor = set[str](), ""
    while cursor is not None:
        page = (await api.get(f"/api/v1/unique-keys?limit=100&cursor={cursor or '0-0'}")).body
        seen |= {key["key"] for key in page["data"]}
        cursor = page["page"]["next_cursor"]
    assert len(seen) == 600
    for wrong in ("limit=0", "limit=x", "cursor=x", "colour=red", "type=anything&key=", "key=k"):
        assert (await api.get(f"/api/v1/unique-keys?{wrong}")).status in (400, 422), wrong


async def test_running_a_job_again_while_another_has_its_key_is_a_409(api: Api, hand: Hand) -> None:
    first = await api.enqueue(unique="k")
    await hand.fail(await hand.take(), "no")
    second = await api.enqueue(unique="k")
    reply = await api.post(f"/api/v1/jobs/{first['id']}/retry")

    assert (reply.status, reply.body["job_id"]) == (409, second["id"])
