"""The paths that other systems' documents name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import Api
from tests.http.hand import Hand

LETTER = {"to": "ada@example.com", "subject": "Hello"}


@pytest.mark.requirement("4.1")
async def test_post_jobs_takes_the_body_of_b_and_get_jobs_id_has_what_b_reads(api: Api) -> None:
    reply = await api.post("/jobs", {"type": "send_letter", "data": LETTER})

    assert reply.status == 201
    assert reply.headers["Location"] == f"/api/v1/jobs/{reply.body['id']}"
    assert reply.headers["Link"] == '</api/v1/jobs>; rel="canonical"'
    read = await api.get(f"/jobs/{reply.body['id']}")
    assert read.headers["Link"] == f'</api/v1/jobs/{reply.body["id"]}>; rel="canonical"'
    assert read.body == reply.body
    assert {"id", "type", "data", "status", "created_at", "started_at", "finished_at"} <= read.body.keys()


@pytest.mark.requirement("4.1")
@pytest.mark.parametrize(
    "body",
    [
        {"type": "send_letter", "payload": LETTER},
        {"name": "send-letter", "data": LETTER},
        {"task": "send-letter", "payload": LETTER},
    ],
)
async def test_post_jobs_knows_the_words_of_other_systems(api: Api, body: dict[str, Any]) -> None:
    job = (await api.post("/jobs", body)).body

    assert (job["type"], job["data"]) == ("send-letter", LETTER)


async def test_a_wrong_field_is_pointed_at_by_the_word_that_was_sent(api: Api) -> None:
    wrong = await api.post("/jobs", {"name": "send-letter", "payload": {"to": 5, "subject": "x"}})
    unknown = await api.post("/jobs", {"task": "nix", "payload": {}})
    twice = await api.post("/jobs", {"type": "anything", "name": "anything", "data": {}, "payload": {}})

    assert (wrong.status, wrong.pointers) == (422, ["/payload/to"])
    assert (unknown.status, unknown.pointers) == (422, ["/task"])
    assert (twice.status, set(twice.pointers)) == (422, {"/name", "/payload"})


@pytest.mark.requirement("4.1")
async def test_get_jobs_answers_as_the_canonical_list_does(api: Api, hand: Hand) -> None:
    await api.enqueue(id="done")
    await hand.complete(await hand.take())
    await api.enqueue(id="next")
    await api.enqueue(id="last")
    today = (await api.get("/jobs/next")).body["created_at"][:10]

    for query in ("", "?type=anything&status=pending", f"?date={today}&status=completed", "?date=2001-01-01"):
        alias, canonical = await api.get(f"/jobs{query}"), await api.get(f"/api/v1/jobs{query}")
        assert alias.status == 200
        assert alias.body == canonical.body
    page = await api.get("/jobs?status=pending&limit=1")
    assert [link.split(">")[0][:20] for link in page.headers.getall("Link")] == [
        "</jobs?status=pendin",
        "</api/v1/jobs",
    ]


async def test_an_alias_refuses_as_its_canonical_path_does(api: Api) -> None:
    assert (await api.get("/jobs/nix")).body["code"] == "not_found"
    assert (await api.get("/jobs?status=asleep")).status == 400
    assert (await api.post("/jobs", {"type": "anything", "priority": 99})).pointers == ["/priority"]
    assert (await api.post("/jobs", b"{")).status == 400
