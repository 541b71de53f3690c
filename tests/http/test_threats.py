"""Ways around the rules of the API that somebody may try (SECURITY.md)."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from jobd.client import Client
from jobd.http.server import HttpServer
from jobd.settings import HttpSettings, Settings
from tests.http.api import JSON, Api
from tests.http.hand import Hand

TOKEN = "a-long-random-token-0123456789"


@pytest.fixture
async def closed(client: Client) -> AsyncIterator[Api]:
    """An API that wants a token."""
    server = HttpServer(client, Settings(port=0, http=HttpSettings(token=SecretStr(TOKEN))))
    await server.start()
    async with Api(f"http://127.0.0.1:{server.port}") as api:
        yield api
    await server.stop()


async def words_of(api: Api, request: bytes) -> bytes:
    """All that a server says to these bytes, until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api.url.rpartition(":")[2]))
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 120)
    finally:
        writer.close()


@pytest.mark.threat("S2")
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS", "TRACE", "livez"])
@pytest.mark.parametrize(
    "path",
    [
        *("/api/v1/jobs", "/api/v1/jobs/", "//api/v1/jobs", "/API/v1/jobs", "/api/v1/%6aobs", "/api/v1/jobs%2f"),
        *("/livez/../api/v1/jobs", "/livez/%2e%2e/api/v1/jobs", "/livez/", "/livez;/api/v1/jobs", "/readyz%00"),
        *("/api/v1/jobs?livez", "/api/v1/jobs#/livez", "http://localhost/api/v1/jobs"),
    ],
)
async def test_no_spelling_of_a_path_or_method_gets_past_the_token(closed: Api, method: str, path: str) -> None:
    override = "X-HTTP-Method-Override: GET\r\nX-Original-URL: /livez\r\nX-Forwarded-For: 127.0.0.1\r\n"
    said = await words_of(
        closed, f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{override}Connection: close\r\n\r\n".encode()
    )

    assert said.split()[1] in (b"401", b"400", b"404", b"405"), said
    assert b'"data"' not in said


@pytest.mark.threat("S4")
async def test_tokens_are_compared_as_digests_of_one_length(closed: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def noted(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr("jobd.http.auth.hmac.compare_digest", noted)
    for token in ("", "a", TOKEN[:-1], TOKEN, TOKEN * 9):
        await closed.ask("GET", "/api/v1/jobs", headers={"Authorization": f"Bearer {token}"})
    assert compared == [(32, 32)] * 5


@pytest.mark.threat("S7")
@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)"])
async def test_what_a_job_says_is_data_in_json_and_never_a_page(api: Api, text: str) -> None:
    made = await api.enqueue(data={"value": text}, tags=[text], metadata={"m": text}, group="g")
    for path in (f"/api/v1/jobs/{made['id']}", f"/api/v1/jobs?tag={text.replace('&', '%26')}", f"/api/v1/jobs/{text}"):
        reply = await api.get(path)
        assert reply.headers["Content-Type"] in ("application/json", "application/problem+json")
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.threat("S12", "S22")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(-(2**63), 2**64 - 1) | st.sampled_from([2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**300]))
async def test_no_integer_changes_on_its_way_to_the_handler_and_back(api: Api, hand: Hand, number: int) -> None:
    raw = b'{"type": "anything", "data": {"value": [%d, [], {}]}}' % number
    made = await api.ask("POST", "/api/v1/jobs", raw, JSON)
    if not -(2**63) <= number < 2**64:
        assert (made.status, made.body["errors"][0]["code"]) == (400, "integer_too_large")
        return
    assert made.status == 201, made.text
    delivery = await hand.take()
    assert b"%d" % number in delivery.payload
    await hand.complete(delivery, orjson.Fragment(delivery.payload))
    assert b'"result":{"value":[%d,[],{}]}' % number in (await api.get(f"/jobs/{delivery.id}")).text.replace(b" ", b"")


@pytest.mark.threat("S17")
async def test_what_jobd_says_of_a_job_cannot_be_said_by_a_caller(api: Api) -> None:
    made = await api.enqueue(id="one")
    given = {"type", "data", "id", "queue", "priority", "max_attempts", "timeout_ms", "backoff", "tags", "metadata"}
    for field in made.keys() - given - {"run_at"}:
        reply = await api.post("/api/v1/jobs", {"type": "anything", field: made[field] or 1})
        assert (reply.status, reply.body["errors"][0]["code"]) == (422, "unknown_field"), field
        reply = await api.patch("/api/v1/jobs/one", {field: made[field] or 1})
        assert reply.status == 422, field


@pytest.mark.threat("S14")
@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length: +5\r\n",
        "X: a\nContent-Length: 5\r\n",
        "Content-Length: 5\r\n X: folded\r\n",
    ],
)
async def test_a_request_of_which_it_is_unclear_where_it_ends_is_refused(api: Api, head: str) -> None:
    hidden = b"0\r\n\r\nPOST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    hidden += b'Content-Length: 19\r\n\r\n{"type":"anything"}'
    said = await words_of(
        api, f"POST /livez HTTP/1.1\r\nHost: localhost\r\n{head}Connection: close\r\n\r\n".encode() + hidden
    )
    assert said.split()[1] == b"400", said
    assert (await api.get("/api/v1/queues")).body["data"] == []


@pytest.mark.threat("S16")
async def test_a_key_is_only_known_under_the_path_that_it_came_to(api: Api) -> None:
    body = {"type": "anything"}
    one = await api.post("/api/v1/jobs", body, Idempotency_Key="k")
    many = await api.post("/api/v1/jobs/batch", {"jobs": [body]}, Idempotency_Key="k")

    assert (one.status, many.status) == (201, 422)
    assert one.body["id"] not in many.text.decode()


@pytest.mark.threat("S42")
async def test_the_token_is_in_no_answer(closed: Api) -> None:
    for credentials in (f"Bearer {TOKEN}", f"Bearer {TOKEN}x", TOKEN):
        for path in ("/", "/api/v1/jobs/nix", "/nix", "/api/v1/openapi.json"):
            reply = await closed.ask("GET", path, headers={"Authorization": credentials})
            assert TOKEN.encode() not in reply.text + str(reply.headers).encode()
