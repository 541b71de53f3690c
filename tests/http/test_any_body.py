"""Whatever is posted, the answer is a success or a problem that names the fault, never a fault of the server."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.http.api import JSON, Api

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
FIELDS = ["type", "data", "id", "queue", "priority", "delay_ms", "run_at", "max_attempts", "retries", "backoff"]
FIELDS += ["timeout_ms", "tags", "metadata", "payload", "name", "jobs", "reason"]
near = st.sampled_from(
    [
        "anything",
        "send-letter",
        "add_up",
        "default",
        "critical",
        "5m",
        "2030-01-01T00:00:00Z",
        1,
        0,
        -1,
        10,
        "",
        "stats",
    ]
)
bodies = st.dictionaries(st.sampled_from(FIELDS) | texts, near | anything, max_size=6)
typed = st.builds(lambda body: {"type": "anything", **body}, bodies)
paths = st.sampled_from(
    ["/api/v1/jobs", "/jobs", "/api/v1/jobs/batch", "/api/v1/jobs/x/cancel", "/api/v1/jobs/x/retry"]
)
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def posted(api: Api, path: str, raw: bytes) -> None:
    reply = await api.ask("POST", path, raw, JSON)
    if reply.status in (200, 201, 202):
        return
    assert 400 <= reply.status < 500, (raw, reply.text)
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.body["detail"]


@pytest.mark.requirement("4.8")
@quick
@given(path=paths, body=bodies | typed | anything)
async def test_any_json_is_taken_or_refused(api: Api, path: str, body: Any) -> None:
    await posted(api, path, orjson.dumps(body))


@pytest.mark.requirement("4.8")
@quick
@given(jobs=st.lists(typed | bodies | anything, max_size=4))
async def test_any_batch_is_taken_or_refused_whole(api: Api, jobs: list[Any]) -> None:
    async def count() -> int:
        queues = (await api.get("/api/v1/queues")).body["data"]
        return sum(sum(queue["counts"].values()) for queue in queues)

    before = await count()
    reply = await api.post("/api/v1/jobs/batch", {"jobs": jobs})
    made = sum(job["created"] for job in reply.body["data"]) if reply.status in (200, 201) else 0

    assert reply.status in (200, 201, 400, 422)
    assert await count() == before + made


@quick
@given(raw=st.binary(max_size=80), path=paths)
async def test_any_bytes_are_refused(api: Api, raw: bytes, path: str) -> None:
    await posted(api, path, raw)


@quick
@given(
    query=st.dictionaries(
        st.sampled_from(["type", "status", "queue", "date", "created_after", "created_before", "limit", "cursor"])
        | texts,
        st.sampled_from(["waiting", "1", "2026-01-01", "2026-01-01T00:00:00Z", "anything"]) | texts,
        max_size=4,
    )
)
async def test_any_query_is_answered_or_refused(api: Api, query: dict[str, str]) -> None:
    reply = await api.get(f"/api/v1/jobs?{urlencode(query)}")

    assert reply.status in (200, 400)
