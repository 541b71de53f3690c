"""What is around jobs."""

from __future__ import annotations

import pytest

from jobd.client import Client
from jobd.intake import told_facts
from tests.http.api import Api
from tests.http.hand import Hand
from tests.http.job_types import send_letter


async def test_queues_are_listed_with_their_counts(api: Api, hand: Hand) -> None:
    await api.enqueue(queue="b")
    await api.enqueue(queue="a")
    await api.enqueue(queue="a", delay_ms=60_000)
    await hand.take()
    body = (await api.get("/api/v1/queues")).body

    assert [queue["name"] for queue in body["data"]] == ["a", "b"]
    assert [queue["unfinished"] for queue in body["data"]] == [2, 1]
    assert sum(queue["counts"]["active"] for queue in body["data"]) == 1


async def test_a_queue_whose_jobs_nobody_takes_says_why(api: Api) -> None:
    await api.enqueue(queue="a")

    for body in ((await api.get("/api/v1/queues")).body["data"][0], (await api.get("/api/v1/queues/a")).body):
        assert body["hint"] == "no worker runs; start `jobd run`"


@pytest.mark.parametrize("name", ["odd_ones", "odd-ones", "ODD-ones"])
async def test_a_queue_is_found_whichever_dash_is_used(api: Api, name: str) -> None:
    await api.enqueue(queue="odd_ones")
    body = (await api.get(f"/api/v1/queues/{name}")).body

    assert body["name"] == "odd_ones"
    assert body["counts"] == {
        "waiting": 1,
        "delayed": 0,
        "blocked": 0,
        "active": 0,
        "completed": 0,
        "failed": 0,
        "cancelled": 0,
    }


async def test_two_queues_that_differ_in_the_dash_stay_two(api: Api) -> None:
    await api.enqueue(queue="odd-ones")
    await api.enqueue(queue="odd_ones", delay_ms=60_000)

    assert (await api.get("/api/v1/queues/odd-ones")).body["counts"]["waiting"] == 1
    assert (await api.get("/api/v1/queues/odd_ones")).body["counts"]["delayed"] == 1


async def test_a_queue_without_jobs_is_not_found(api: Api) -> None:
    assert (await api.get("/api/v1/queues/nix")).status == 404


async def test_types_are_listed_with_the_options_their_jobs_will_have(api: Api) -> None:
    rows = {row["type"]: row for row in (await api.get("/api/v1/types")).body["data"]}

    assert list(rows) == ["add_up", "anything", "send-letter"]
    assert rows["send-letter"] == {
        "type": "send-letter",
        "description": "Sends a letter.\n\nBy hand.",
        "installed": True,
        "queue": "letters",
        "priority": 5,
        "max_attempts": 3,
        "timeout_ms": 0,
        "backoff": {"kind": "exponential", "base_ms": 2_000, "cap_ms": 3_600_000, "jitter": 0.25},
        "tags": [],
    }


@pytest.mark.parametrize("name", ["send_letter", "send-letter", "Send-Letter"])
async def test_a_type_has_the_schema_of_its_payload(api: Api, name: str) -> None:
    body = (await api.get(f"/api/v1/types/{name}")).body

    assert body["type"] == "send-letter"
    assert body["payload_schema"]["required"] == ["to", "subject"]
    assert body["payload_schema"]["additionalProperties"] is False


async def test_a_type_that_only_workers_have_is_known_by_what_they_told(api: Api, client: Client) -> None:
    await client.store.tell_types({"send_parcel": told_facts(send_letter)})

    assert [row["installed"] for row in (await api.get("/api/v1/types")).body["data"]] == [True, True, True, False]
    body = (await api.get("/api/v1/types/send-parcel")).body
    assert (body["type"], body["queue"], body["description"]) == ("send_parcel", "letters", "Sends a letter.")
    assert body["payload_schema"] is None


async def test_an_unknown_type_is_not_found_with_a_suggestion(api: Api) -> None:
    reply = await api.get("/api/v1/types/send-leter")

    assert (reply.status, reply.body["code"]) == (404, "not_found")
    assert "send-letter" in reply.body["detail"]


async def test_workers_are_listed_with_what_they_hold(api: Api, hand: Hand) -> None:
    await api.enqueue()
    await hand.take()
    (worker,) = (await api.get("/api/v1/workers")).body["data"]

    assert worker.pop("joined_at") < worker.pop("lease_until")
    assert worker == {
        "id": "hand-1",
        "kind": "worker",
        "alive": True,
        "queues": ["*"],
        "active": 1,
        "about": {"kind": "worker", "host": "here", "slots": 8},
    }


async def test_a_worker_is_shown_and_told_what_to_do(api: Api, hand: Hand) -> None:
    assert (await api.get("/api/v1/workers/hand-1")).body["id"] == "hand-1"
    for what in ("quiet", "stop", "restart"):
        reply = await api.post(f"/api/v1/workers/hand-1/{what}")
        assert (reply.status, reply.body) == (202, {"id": "hand-1", "asked": what})
        unknown = await api.post(f"/api/v1/workers/nobody/{what}")
        assert (unknown.status, unknown.body["code"]) == (404, "worker_not_found")
    assert (await api.get("/api/v1/workers/nobody")).status == 404
    inbox = hand.shard.keys.inbox("hand-1")
    assert await hand.shard.link.command("LRANGE", inbox, 0, -1) == [b"do quiet", b"do stop", b"do restart"]


@pytest.mark.requirement("3.1")
async def test_a_queue_a_group_and_a_type_are_paused_and_resumed(api: Api, hand: Hand) -> None:
    await api.enqueue(queue="odd_ones")
    until = "2100-01-01T00:00:00.000Z"
    reply = await api.post("/api/v1/queues/odd-ones/pause", {"reason": "why", "by": "ada", "until": until})
    assert reply.status == 200
    assert {**reply.body, "at": None} == {
        "queue": "odd-ones",
        "group": None,
        "type": None,
        "reason": "why",
        "by": "ada",
        "at": None,
        "until": until,
    }
    assert (await api.get("/api/v1/queues/odd_ones")).body["paused"] == reply.body
    assert await hand.take_all() == []
    await api.post("/api/v1/queues/odd_ones/pause", {"group": "g"})
    await api.post("/api/v1/types/send_letter/pause", {"until": "1h"})
    rows = (await api.get("/api/v1/pauses")).body["data"]
    assert [(row["queue"], row["group"], row["type"]) for row in rows] == [
        ("odd-ones", "g", None),
        ("odd-ones", None, None),
        (None, None, "send-letter"),
    ]
    assert (await api.post("/api/v1/queues/odd_ones/resume", {"group": "g"})).body == {"resumed": True}
    assert (await api.post("/api/v1/queues/odd_ones/resume")).body == {"resumed": True}
    assert (await api.post("/api/v1/queues/odd_ones/resume")).body == {"resumed": False}
    assert (await api.post("/api/v1/types/send-letter/resume")).body == {"resumed": True}
    assert (await api.get("/api/v1/pauses")).body["data"] == []
    assert len(await hand.take_all()) == 1


async def test_each_wrong_field_of_a_pause_is_named(api: Api) -> None:
    reply = await api.post("/api/v1/queues/q/pause", {"reason": 1, "until": "soon", "untill": "1h"})
    assert reply.status == 422
    assert [(fault["pointer"], fault["code"]) for fault in reply.body["errors"]] == [
        ("/reason", "invalid"),
        ("/until", "invalid"),
        ("/untill", "unknown_field"),
    ]


async def test_limits_are_set_and_taken_back(api: Api, hand: Hand) -> None:
    for _ in range(3):
        await api.enqueue(queue="a")
    limits = (await api.patch("/api/v1/limits", {"queue": "a", "concurrency": 1, "ageing_ms": 60_000})).body
    assert limits == {
        "scope": "queue",
        "queue": "a",
        "limits": {"concurrency": 1, "ageing_ms": 60_000},
        "set": ["ageing_ms", "concurrency"],
    }
    assert (await api.get("/api/v1/limits")).body["data"] == [limits]
    assert len(await hand.take_all()) == 1
    await api.patch("/api/v1/limits", {"queue": "a", "concurrency": None})
    assert len(await hand.take_all()) == 2


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"queue": "a", "concurrency": 0}, "/concurrency"),
        ({"queue": "a", "rate": "often"}, "/rate"),
        ({"queue": "a", "sped": 1}, ""),
        ({"queue": "a"}, ""),
        ({"concurrency": 1}, ""),
        ({"queue": "a", "type": "b", "concurrency": 1}, ""),
    ],
)
async def test_a_wrong_limit_is_refused_by_name(api: Api, body: dict[str, object], pointer: str) -> None:
    answer = await api.patch("/api/v1/limits", body)
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, pointer)
    assert (await api.get("/api/v1/limits")).body["data"] == []
