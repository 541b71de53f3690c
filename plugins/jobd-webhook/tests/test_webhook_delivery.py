"""Delivery to a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook as Receiver
from web_server import Certificates, WebServer, always, web_server

import jobd
from jobd_webhook import Receipt, Webhook, WebhookSettings
from jobd_webhook.client import LARGEST_ANSWER, WebhookClient
from jobd_webhook.places import Address

OLD, NEW, OTHER = (f"whsec_{base64.b64encode(bytes([number]) * 32).decode()}" for number in (1, 2, 3))
BORN = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


def settings(**fields: Any) -> WebhookSettings:
    return WebhookSettings.model_validate({"secrets": {"default": NEW}, "allow": ["127.0.0.1"], **fields})


def webhook(url: str, **fields: Any) -> Webhook:
    return Webhook.model_validate({"url": url, "event": "invoice.paid", "data": {"id": 7, "who": "Zoë"}, **fields})


async def send(
    server: WebServer, *, job_id: str = "01JOB", how: WebhookSettings | None = None, **fields: Any
) -> Receipt:
    async with WebhookClient(how or settings()) as client:
        return await client.deliver(webhook(server.url, **fields), job_id=job_id, created_at=BORN)


def points_to(*addresses: str) -> Callable[[str], Awaitable[list[Address]]]:
    """A name service that gives each name these addresses."""

    async def lookup(_: str) -> list[Address]:
        return [ip_address(address) for address in addresses]

    return lookup


@pytest.mark.threat("S33")
@pytest.mark.requirement("1.7")
async def test_an_event_arrives_signed_so_that_a_receiver_can_check_it() -> None:
    async with web_server() as server:
        receipt = await send(server, headers={"Authorization": "Bearer x"})
    (hit,) = server.hits
    assert (hit.method, hit.path) == ("POST", "/hooks")
    content = {"type": "invoice.paid", "timestamp": "2026-01-02T03:04:05.678Z", "data": {"id": 7, "who": "Zoë"}}
    assert Receiver(NEW).verify(hit.body, hit.headers) == content
    assert hit.headers["Host"] == f"127.0.0.1:{server.port}"
    assert hit.headers["Content-Type"] == "application/json"
    assert hit.headers["Authorization"] == "Bearer x"
    assert (receipt.webhook_id, receipt.status, receipt.response, receipt.response_cut) == (
        *("01JOB", 200, "thank you", False),
    )
    assert 0 <= receipt.duration_ms < 10_000


async def test_with_two_secrets_receivers_with_either_one_can_check_it() -> None:
    async with web_server() as server:
        await send(server, how=settings(secrets={"default": f"{NEW}, {OLD}", "other": OTHER}))
    (hit,) = server.hits
    assert len(hit.headers["webhook-signature"].split(" ")) == 2
    for secret in (OLD, NEW):
        Receiver(secret).verify(hit.body, hit.headers)
    with pytest.raises(Exception, match="No matching signature"):
        Receiver(OTHER).verify(hit.body, hit.headers)


async def test_the_secret_is_chosen_by_name() -> None:
    async with web_server() as server:
        await send(server, how=settings(secrets={"default": NEW, "other": OTHER}), secret="other")
    (hit,) = server.hits
    Receiver(OTHER).verify(hit.body, hit.headers)


async def test_each_attempt_of_a_job_sends_the_same_id_and_body() -> None:
    async with web_server() as server:
        for _ in range(2):
            await send(server, job_id="order.7")
        await send(server, job_id="order%7")
    first, second, other = server.hits
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "order%2E7" != other.headers["webhook-id"]
    assert first.body == second.body


@pytest.mark.requirement("1.7")
async def test_without_the_secret_nothing_is_sent_and_the_failure_says_what_to_set() -> None:
    async with web_server() as server:
        with pytest.raises(jobd.Fail, match=r"set default in \[plugins\.webhook\.secrets\] .*SECRETS__DEFAULT"):
            await send(server, how=settings(secrets={}))
        with pytest.raises(jobd.Fail, match="no secret 'other'"):
            await send(server, secret="other")
    assert server.hits == []


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_is_a_success(status: int) -> None:
    async with web_server(always(status)) as server:
        assert (await send(server)).status == status


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
async def test_an_answer_that_may_pass_is_tried_again_as_the_backoff_says(status: int) -> None:
    async with web_server(always(status, "not now")) as server:
        with pytest.raises(jobd.Retry, match=f"127.0.0.1 answered {status}: not now") as raised:
            await send(server)
    assert raised.value.after_ms is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422, 451, 499])
async def test_another_4xx_is_permanent_with_the_words_of_the_receiver(status: int) -> None:
    async with web_server(always(status, "no such thing")) as server:
        with pytest.raises(jobd.Fail, match=f"127.0.0.1 answered {status}: no such thing"):
            await send(server)


async def test_410_says_that_the_endpoint_is_gone() -> None:
    async with web_server(always(410)) as server:
        with pytest.raises(jobd.Fail, match=r"endpoint is gone.*answered 410$"):
            await send(server)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("120", 120_000, 120_000),
        (format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True), 200_000, 300_000),
        ("99999999", 86_400_000, 86_400_000),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_honoured_up_to_a_day(status: int, value: str, least: int, most: int) -> None:
    async with web_server(always(status, Retry_After=value)) as server:
        with pytest.raises(jobd.Retry) as raised:
            await send(server)
    assert raised.value.after_ms is not None
    assert least <= raised.value.after_ms <= most


@pytest.mark.parametrize("value", ["0", "-5", "soon", "", "1e9", "٣", "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 99 Foo"])
async def test_a_retry_after_without_a_future_is_left_to_the_backoff(value: str) -> None:
    async with web_server(always(503, Retry_After=value)) as server:
        with pytest.raises(jobd.Retry) as raised:
            await send(server)
    assert raised.value.after_ms is None


@pytest.mark.threat("S32")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with web_server() as elsewhere, web_server(always(status, Location=elsewhere.url)) as server:
        with pytest.raises(jobd.Fail, match=f"redirects are not followed.* answered {status}"):
            await send(server)
    assert elsewhere.hits == []


async def test_a_silent_receiver_is_given_up_after_the_timeout_in_all() -> None:
    end = asyncio.Event()

    async def never(_: web.Request) -> web.StreamResponse:
        await end.wait()
        return web.Response()

    async with web_server(never) as server:
        with pytest.raises(jobd.Retry, match=r"127\.0\.0\.1 did not answer within 0\.1 s"):
            await send(server, how=settings(timeout=0.1))
        end.set()


async def test_a_name_that_is_not_found_in_time_is_tried_again() -> None:
    end = asyncio.Event()

    async def slow_lookup(_: str) -> list[Address]:
        await end.wait()
        return []

    async with WebhookClient(settings(timeout=0.1), lookup=slow_lookup) as client:
        with pytest.raises(jobd.Retry, match="did not answer"):
            await client.deliver(webhook("http://hooks.example/"), job_id="1", created_at=BORN)
        end.set()


@pytest.mark.threat("S32", "S40")
async def test_the_answer_is_read_up_to_64_kib_and_then_cut() -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:  # until the client hangs up
            await response.write(b"\0x" * 4_096)
            sent += 8_192

    async with web_server(endless) as server:
        receipt = await send(server)
    assert receipt.status == 200
    assert receipt.response_cut
    assert receipt.response == "\ufffdx" * 1_000
    assert sent < LARGEST_ANSWER + 16 * 1024 * 1024, "what the system's buffers take"


async def test_a_success_stays_one_when_the_rest_of_the_answer_does_not_come() -> None:
    end = asyncio.Event()

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "10"})
        await response.prepare(request)
        await response.write(b"half")
        await end.wait()
        return response

    async with web_server(half) as server:
        receipt = await send(server, how=settings(timeout=0.2))
        end.set()
    assert (receipt.status, receipt.response, receipt.response_cut) == (200, "half", True)


@pytest.mark.threat("S40")
async def test_an_answer_that_was_compressed_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(50_000_000))

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with web_server(answer) as server:
        receipt = await send(server)
    assert server.hits[0].headers["Accept-Encoding"] == "identity"
    assert len(receipt.response) <= 2_000


async def test_a_receiver_that_hangs_up_or_does_not_listen_is_tried_again() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as raw:
        server = WebServer(port=raw.sockets[0].getsockname()[1])
        with pytest.raises(jobd.Retry, match="could not be reached"):
            await send(server)
    with pytest.raises(jobd.Retry, match=r"could not be reached: .*Connect"):
        await send(server)


async def test_an_answer_that_is_no_http_is_tried_again() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as raw:
        with pytest.raises(jobd.Retry, match="could not be reached"):
            await send(WebServer(port=raw.sockets[0].getsockname()[1]))


async def test_a_proxy_of_the_environment_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with web_server() as proxy, web_server() as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await send(server)
    assert (len(proxy.hits), len(server.hits)) == (0, 1)


async def test_a_cookie_of_one_receiver_is_not_sent_again() -> None:
    async with web_server(always(200, Set_Cookie="a=b; Path=/")) as server, WebhookClient(settings()) as client:
        for _ in range(2):
            await client.deliver(webhook(server.url), job_id="1", created_at=BORN)
    assert [hit.headers.get("Cookie") for hit in server.hits] == [None, None]


async def test_a_connection_is_used_again_for_the_same_receiver() -> None:
    async with web_server() as server, WebhookClient(settings()) as client:
        for _ in range(3):
            await client.deliver(webhook(server.url), job_id="1", created_at=BORN)
    assert len({hit.peer for hit in server.hits}) == 1


async def test_over_tls_the_name_of_the_url_is_asked_for_and_verified(certificates: Certificates) -> None:
    how = settings(allow=["hooks.example", "other.example"], ca_file=certificates.ca_file)
    async with (
        web_server(tls=certificates.server()) as server,
        WebhookClient(how, lookup=points_to("127.0.0.1")) as client,
    ):
        url = f"https://hooks.example:{server.port}/a?b=c"
        assert (await client.deliver(webhook(url), job_id="1", created_at=BORN)).status == 200
        with pytest.raises(jobd.Retry, match=r"certificate is not trusted.*other\.example"):
            await client.deliver(webhook(url.replace("hooks", "other")), job_id="1", created_at=BORN)
    (hit,) = server.hits
    assert (hit.server_name, hit.headers["Host"]) == ("hooks.example", f"hooks.example:{server.port}")


async def test_a_certificate_of_an_unknown_authority_gets_no_event(certificates: Certificates) -> None:
    async with (
        web_server(tls=certificates.server()) as server,
        WebhookClient(settings(allow=["hooks.example"]), lookup=points_to("127.0.0.1")) as client,
    ):
        with pytest.raises(jobd.Retry, match="certificate is not trusted"):
            await client.deliver(webhook(f"https://hooks.example:{server.port}/"), job_id="1", created_at=BORN)
    assert server.hits == []


@pytest.mark.threat("S42")
@pytest.mark.parametrize("status", [404, 500])
async def test_neither_secret_nor_path_of_the_url_is_in_an_error(status: int) -> None:
    async with web_server(always(status)) as server:
        with pytest.raises((jobd.Fail, jobd.Retry)) as raised:
            await send(server)
    told = "".join(traceback.format_exception(raised.value))
    assert f"answered {status}" in told
    assert "/hooks" not in told
    assert NEW not in told


async def test_an_answer_that_is_no_text_still_makes_a_result_of_json() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\xff\0\xed\xa0\x80ok")

    async with web_server(answer) as server:
        receipt = await send(server)
    assert json.loads(receipt.model_dump_json())["response"].endswith("ok")
    assert "\0" not in receipt.response
