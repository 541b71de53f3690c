"""Answers."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from jobd.domain.state import State
from jobd.http.answer import answer
from jobd.http.server import HttpServer
from tests.http.api import Api
from tests.http.test_problems import speak


@pytest.mark.threat("S12")
def test_what_a_handler_returned_is_told_exactly_even_beyond_64_bits() -> None:
    response = answer({"result": 2**70, "status": State.COMPLETED, "tags": ("a",)})

    assert response.body == b'{"result": 1180591620717411303424, "status": "completed", "tags": ["a"]}'


def test_text_that_is_no_unicode_does_not_keep_the_rest_from_being_told() -> None:
    assert isinstance(answer({"result": "\ud800", "id": "x"}).body, bytes)


def test_headers_of_the_answer_win_over_the_usual_ones() -> None:
    response = answer({}, 404, {"Content-Type": "application/problem+json"})

    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.body == b"{}"


@pytest.mark.parametrize(
    ("version", "asked", "told", "goes_on"),
    [
        ("1.1", "", None, True),
        ("1.1", "Connection: close\r\n", "close", False),
        ("1.0", "Connection: keep-alive\r\n", "keep-alive", True),
        ("1.0", "", None, False),
    ],
)
async def test_a_connection_goes_on_as_its_client_and_its_version_want_it(
    server: HttpServer, version: str, asked: str, told: str | None, goes_on: bool
) -> None:
    first = f"GET /livez HTTP/{version}\r\nHost: localhost\r\n{asked}\r\n"
    last = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" if goes_on else ""

    said = await speak(server.port, (first + last).encode())

    heads = [parsed(head) for head in said.split(b"HTTP/")[1:]]
    assert heads[0][0] == f"{version} 200 OK"
    assert heads[0][1].get("Connection") == told
    assert len(heads) == 1 + goes_on


async def test_what_is_only_looked_for_has_the_headers_of_what_is_there_and_no_body(server: HttpServer) -> None:
    asked = "/livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    shown = await speak(server.port, f"GET {asked}".encode())
    looked = await speak(server.port, f"HEAD {asked}".encode())

    head, _, body = shown.partition(b"\r\n\r\n")
    status, headers = parsed(head)
    assert (status, body) == ("HTTP/1.1 200 OK", b'{"status":"pass"}')
    assert headers["Content-Length"] == str(len(body))
    assert {"Date", "Server", "Cache-Control", "X-Content-Type-Options", "X-Request-Id"} <= headers.keys()
    assert looked.endswith(b"\r\n\r\n")
    assert parsed(looked)[1].keys() == headers.keys()


async def test_what_says_only_that_it_is_done_has_no_length(api: Api, server: HttpServer) -> None:
    await api.enqueue(id="one")

    said = await speak(server.port, b"DELETE /api/v1/jobs/one HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    status, headers = parsed(said)
    assert (status, said.count(b"\r\n\r\n")) == ("HTTP/1.1 204 No Content", 1)
    assert not {"Content-Length", "Content-Type"} & headers.keys()


@pytest.mark.threat("S12")
@pytest.mark.parametrize("text", ["/x\r\nSet-Cookie: a=b", "/x\nSet-Cookie: a=b", "/x\r", "/\0"])
async def test_no_header_can_make_another_one(text: str) -> None:
    response = answer({}, headers={"Location": text})

    with pytest.raises(ValueError, match="a header would end before its end"):
        await response.prepare(make_mocked_request("GET", "/"))


def parsed(head: bytes) -> tuple[str, dict[str, str]]:
    """The first line of an answer, and its headers."""
    first, *lines = head.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines)
