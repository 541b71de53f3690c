"""GET /api/v1/jobs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from tests.http.api import Api
from tests.http.hand import Hand


async def ids(api: Api, query: str = "") -> list[str]:
    reply = await api.get(f"/api/v1/jobs{query}")
    assert reply.status == 200, reply.text
    return [job["id"] for job in reply.body["data"]]


@pytest.fixture
async def jobs(api: Api, hand: Hand) -> None:
    """done: completed; runs: active; waits, letter: waiting; later: delayed."""
    await api.enqueue(id="done")
    await hand.complete(await hand.take())
    await api.enqueue(id="runs")
    await hand.take()
    await api.enqueue(id="waits", queue="odd_ones")
    await api.post("/api/v1/jobs", {"type": "send-letter", "id": "letter", "data": {"to": "a", "subject": "b"}})
    await api.enqueue(id="later", delay_ms=3_600_000)


@pytest.mark.requirement("4.1")
@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"done", "runs", "waits", "letter", "later"}),
        ("?status=waiting", {"waits", "letter"}),
        ("?status=pending", {"waits", "letter", "later"}),
        ("?status=processing,succeeded", {"runs", "done"}),
        ("?status=active&status=delayed", {"runs", "later"}),
        ("?type=send_letter", {"letter"}),
        ("?type=send-letter", {"letter"}),
        ("?type=nix", set()),
        ("?queue=odd-ones", {"waits"}),
        ("?queue=letters", {"letter"}),
        ("?queue=nix", set()),
        ("?type=anything&status=pending&queue=default", {"later"}),
        ("?date=2020-02-29", set()),
        ("?date=9998-12-31", set()),
    ],
)
async def test_jobs_are_found_by_type_status_queue_and_date(api: Api, query: str, found: set[str]) -> None:
    assert set(await ids(api, query)) == found


@pytest.mark.requirement("4.1")
@pytest.mark.usefixtures("jobs")
async def test_jobs_are_found_by_when_they_were_created(api: Api) -> None:
    now = datetime.now(UTC)
    past, future = (quote((now + timedelta(minutes=shift)).isoformat(timespec="seconds")) for shift in (-5, 5))

    assert len(await ids(api, f"?created_after={past}&created_before={future}")) == 5
    assert await ids(api, f"?created_before={past}") == []
    assert await ids(api, f"?created_after={future}") == []
    # a plus that nobody escaped is a space
    assert len(await ids(api, f"?created_after={past.replace('%2B', '+')}")) == 5


@pytest.mark.usefixtures("jobs")
async def test_todays_jobs_are_those_created_today_in_utc(api: Api) -> None:
    created = (await api.get("/api/v1/jobs/waits")).body["created_at"]

    assert "waits" in await ids(api, f"?date={created[:10]}")


async def test_a_list_goes_on_from_its_cursor_and_the_link_is_the_next_page(api: Api) -> None:
    for number in range(7):
        await api.enqueue(id=f"job-{number}", queue="a b".replace(" ", "_"))
    seen: list[str] = []
    path = "/api/v1/jobs?status=pending&queue=a-b&limit=3"
    pages = 0
    while path:
        reply = await api.get(path)
        seen += [job["id"] for job in reply.body["data"]]
        pages += 1
        cursor = reply.body["page"]["next_cursor"]
        link = re.fullmatch(r'<(.+)>; rel="next"', reply.headers.get("Link", ""))
        assert (link is None) == (cursor is None)
        path = link[1] if link else ""
        assert not path or f"cursor={cursor}" in path

    assert seen == [f"job-{number}" for number in range(7)]
    assert pages == 3
    assert reply.body["page"] == {"limit": 3, "next_cursor": None}
    assert reply.body["meta"] == {"scanned": 1, "complete": True}


@pytest.mark.threat("S18")
async def test_a_cursor_serves_the_list_it_was_made_for_and_no_other(api: Api) -> None:
    for number in range(3):
        await api.enqueue(id=f"job-{number}")
    cursor = (await api.get("/api/v1/jobs?status=waiting&limit=1")).body["page"]["next_cursor"]

    assert await ids(api, f"?limit=2&cursor={cursor}&status=waiting") == ["job-1", "job-2"]
    for query in (f"?cursor={cursor}", f"?status=waiting&cursor=x{cursor}", f"?status=waiting&cursor={cursor[:-1]}"):
        reply = await api.get(f"/api/v1/jobs{query}")
        assert (reply.status, reply.body["errors"][0]["code"]) == (400, "cursor_mismatch")


@pytest.mark.threat("S18")
@pytest.mark.requirement("4.8")
@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("state=waiting", "state"),
        ("Type=anything", "Type"),
        ("status=sleeping", "status"),
        ("status=", "status"),
        ("status=waiting,,active", "status"),
        ("type=", "type"),
        ("type=a&type=b", "type"),
        ("queue=a&queue=b", "queue"),
        ("date=today", "date"),
        ("date=2026-02-30", "date"),
        ("date=9999-12-31", "date"),
        ("date=0001-01-01", "date"),
        ("date=20260101", "date"),
        ("created_after=2026-01-01", "created_after"),
        ("created_after=2026-01-01T00:00:00", "created_after"),
        ("created_before=9999-12-31T23:59:59Z", "created_before"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=1e2", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=" + "9" * 5_000, "limit"),
        ("cursor=x", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=" + "A" * 3_000, "cursor"),
        ("%FF=1", "\N{REPLACEMENT CHARACTER}"),
    ],
)
async def test_a_query_that_cannot_be_used_is_refused_with_the_parameter(api: Api, query: str, parameter: str) -> None:
    reply = await api.get(f"/api/v1/jobs?{query}")

    assert (reply.status, reply.headers["Content-Type"]) == (400, "application/problem+json")
    assert [fault["parameter"] for fault in reply.body["errors"]] == [parameter]


async def test_all_wrong_parameters_are_named_at_once(api: Api) -> None:
    reply = await api.get("/api/v1/jobs?limit=x&statsu=waiting&date=x")

    assert {fault["parameter"] for fault in reply.body["errors"]} == {"limit", "statsu", "date"}
    assert "did you mean 'status'?" in reply.body["detail"]
