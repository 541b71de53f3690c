"""Every error is a problem, whoever finds it."""

from __future__ import annotations

import asyncio
import re

import pytest

from jobd.client import Client
from jobd.domain.delivery import Met, NewJob
from jobd.errors import StoreFull, StoreUnavailable
from jobd.http import body
from jobd.http.server import HttpServer
from tests.http.api import JSON, Api

FIELDS = {"type", "title", "status", "detail", "instance", "code", "request_id", "retryable"}


async def speak(port: int, words: bytes) -> bytes:
    """What a server answers to these bytes until it ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(words)
        async with asyncio.timeout(120):
            return await reader.read()
    finally:
        writer.close()


async def test_a_problem_has_all_its_fields(api: Api) -> None:
    reply = await api.get("/api/v1/jobs/nix", X_Request_Id="mine-1")

    assert (reply.status, reply.headers["Content-Type"]) == (404, "application/problem+json")
    assert reply.body == {
        "type": "/problems/not-found",
        "title": "There is no such thing",
        "status": 404,
        "detail": "there is no job nix: it never was, or its retention has ended",
        "instance": "/api/v1/jobs/nix",
        "code": "not_found",
        "request_id": "mine-1",
        "retryable": False,
    }


@pytest.mark.parametrize("path", ["/nix", "/api/v1", "/api/v2/jobs", "/jobs/", "/api/v1/jobs/a/b/c", "/%00"])
async def test_a_path_that_is_not_there_is_a_problem(api: Api, path: str) -> None:
    reply = await api.get(path)

    assert (reply.status, reply.body["code"]) == (404, "not_found")
    assert reply.body.keys() == FIELDS


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/v1/jobs", "GET, HEAD, POST"),
        ("PUT", "/api/v1/jobs/x", "DELETE, GET, HEAD, PATCH"),
        ("GET", "/api/v1/jobs/x/cancel", "POST"),
        ("OPTIONS", "/jobs", "GET, HEAD, POST"),
        ("TRACE", "/jobs", "GET, HEAD, POST"),
    ],
)
async def test_a_method_that_is_not_offered_is_a_problem(api: Api, method: str, path: str, allowed: str) -> None:
    reply = await api.ask(method, path)

    assert (reply.status, reply.body["code"], reply.headers["Allow"]) == (405, "method_not_allowed", allowed)


async def test_every_answer_has_an_id_and_a_sane_one_is_echoed(api: Api) -> None:
    first, second = await api.get("/livez"), await api.get("/nix")

    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"] == second.body["request_id"]
    assert (await api.get("/livez", X_Request_Id="a.b:c_d-1")).headers["X-Request-Id"] == "a.b:c_d-1"
    for strange in ("", "a b", "x" * 129, "<script>", "ö"):
        echoed = (await api.get("/livez", X_Request_Id=strange)).headers["X-Request-Id"]
        assert re.fullmatch(r"req_[0-9a-f]{14,}", echoed)


@pytest.mark.threat("S7", "S8", "S15")
@pytest.mark.parametrize("path", ["/", "/livez", "/jobs", "/nix"])
async def test_no_answer_says_what_it_is_made_of_or_lets_a_browser_guess(api: Api, path: str) -> None:
    headers = (await api.get(path)).headers

    assert headers["Server"] == "jobd"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.threat("S9", "S14")
@pytest.mark.parametrize(
    "words",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_not_http_is_answered_with_a_problem_and_the_end_of_the_connection(
    server: HttpServer, words: bytes
) -> None:
    answer = await speak(server.port, words)

    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"application/problem+json" in answer
    assert b"X-Request-ID: req_" in answer or b"X-Request-Id: req_" in answer
    assert not re.search(rb"aiohttp|Python|Traceback|/site-packages", answer)


@pytest.mark.threat("S14")
@pytest.mark.parametrize(
    "words",
    [
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /jobs?type=\xff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /jobs?\xff=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /jobs/%ED%A0%80 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET http://localhost/nix HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /nix HTTP/1.1\r\nHost: \xff\xff\r\nConnection: close\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: \xff\r\nContent-Length: 2\r\n"
        b"Connection: close\r\n\r\n{}",
        b"GET //jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /jobs HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n\r\n",
    ],
)
async def test_no_strange_request_is_the_fault_of_the_server(server: HttpServer, words: bytes) -> None:
    answer = await speak(server.port, words)

    assert re.match(rb"HTTP/1\.[01] [24]\d\d ", answer) or answer == b""
    assert not re.search(rb"aiohttp|Python|Traceback|/site-packages", answer)


@pytest.mark.threat("S10")
async def test_a_body_that_does_not_come_is_not_waited_for(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "BODY_PATIENCE_S", 0.01)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"POST /jobs HTTP/1.1\r\nHost: x.localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    )

    assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_body_that_breaks_off_harms_nobody(server: HttpServer, api: Api) -> None:
    for last in (b"", b"{", b'{"type":"anything"}'):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n"
        writer.write(head + last)
        writer.close()
        await writer.wait_closed()

    assert (await api.get("/api/v1/queues")).body["data"] == []


@pytest.mark.threat("S9")
async def test_a_body_that_would_be_too_large_is_refused_before_it_is_sent(server: HttpServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    writer.write(f"{head}Content-Length: {2**21}\r\n\r\n".encode())

    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_a_body_that_fits_is_bidden_to_come(server: HttpServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    body = b'{"type":"anything"}'
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())

    assert (await reader.readuntil(b"\r\n\r\n")) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await reader.readline()).startswith(b"HTTP/1.1 201 ")
    writer.close()


async def test_an_expectation_that_nobody_knows_is_ignored(api: Api) -> None:
    reply = await api.ask("POST", "/jobs", b'{"type":"anything"}', {**JSON, "Expect": "miracles"})

    assert reply.status == 201


@pytest.mark.threat("S15", "S42")
@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (StoreUnavailable("redis at unix:///home/me/secret.sock is gone"), "redis_unavailable", "unknown whether"),
        (StoreFull("redis at unix:///home/me/secret.sock is full"), "store_full", "nothing was stored"),
    ],
)
async def test_trouble_with_the_store_is_told_without_its_secrets(
    api: Api, client: Client, error: Exception, code: str, words: str
) -> None:
    async def enqueue(job: NewJob) -> tuple[bool | Met, float | None]:
        raise error

    client.store.enqueue_dated = enqueue  # type: ignore[method-assign]  # a full or lost store cannot be had on demand
    reply = await api.post("/jobs", {"type": "anything"})

    assert (reply.status, reply.body["code"], reply.body["retryable"]) == (503, code, True)
    assert words in reply.body["detail"]
    assert b"secret" not in reply.text
    assert reply.headers["Retry-After"] == "2"


async def test_who_only_looked_is_not_told_of_effects(api: Api, client: Client) -> None:
    async def counts() -> dict[str, object]:
        raise StoreUnavailable("it is unknown whether it took effect")

    client.store.counts = counts  # type: ignore[method-assign, assignment]  # as above
    reply = await api.get("/api/v1/queues")

    assert (reply.status, reply.body["detail"]) == (503, "the store did not answer in time")


@pytest.mark.threat("S15")
async def test_a_fault_of_the_server_is_told_without_its_insides(api: Api, client: Client) -> None:
    async def get(_: str) -> object:
        raise RuntimeError("password=hunter2")

    client.get = get  # type: ignore[method-assign, assignment]  # there is no known way to break it from outside
    reply = await api.get("/jobs/x")

    assert (reply.status, reply.body["code"]) == (500, "internal")
    assert b"hunter2" not in reply.text
    assert b"RuntimeError" not in reply.text
