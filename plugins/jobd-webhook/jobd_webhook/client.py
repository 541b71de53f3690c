"""Delivers webhooks: one HTTP session for all jobs of a worker."""

from __future__ import annotations

import ssl
import time
from datetime import UTC, datetime
from typing import Self

import aiohttp

import jobd
from jobd_webhook.egress import Egress, JudgedResolver, Lookup
from jobd_webhook.receipt import Receipt
from jobd_webhook.retry_after import retry_after
from jobd_webhook.settings import WebhookSettings
from jobd_webhook.signature import signed_headers
from jobd_webhook.webhook import Webhook

LARGEST_ANSWER = 64 * 1024
"""bytes; what follows is not read"""
LONGEST_EXCERPT = 2_000
"""characters of the answer that are kept with the result"""
LONGEST_WORDS = 200
"""characters of the answer that go into the reason of a failure"""
KEEP_ALIVE = 4.0
"""seconds; less than the 5 s after which common servers hang up, so that no delivery meets a closing connection"""
TRANSIENT = {408, 425, 429}


class WebhookClient:
    """Signs, sends, and tells faults that pass from faults that stay."""

    def __init__(self, settings: WebhookSettings, *, lookup: Lookup | None = None) -> None:
        """`lookup` finds the addresses of a name; None: the system does. Call it where a loop runs."""
        self._settings = settings
        self._egress = Egress(settings)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=JudgedResolver(self._egress, lookup),
                use_dns_cache=False,
                ssl=_tls_context(settings),
                keepalive_timeout=KEEP_ALIVE,
                limit=0,  # the worker's slots are the limit
            ),
            timeout=aiohttp.ClientTimeout(total=settings.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes its connections."""
        await self._session.close()

    async def deliver(self, webhook: Webhook, *, job_id: str, created_at: datetime) -> Receipt:
        """Sends the webhook of one job. Raises jobd.Fail for what another attempt would not change, jobd.Retry for what
        it may, with the pause that the receiver asked for."""
        keys = self._settings.keys(webhook.secret)
        url = self._egress.admit(webhook.url)
        body = webhook.body(created_at)
        # In the signed text the id ends at the first dot, so it has none. No job's id has a %, so ids stay different.
        webhook_id = job_id.replace(".", "%2E")
        headers = {
            **webhook.headers,
            "Content-Type": "application/json",
            "User-Agent": "jobd-webhook",
            "Accept-Encoding": "identity",
            **signed_headers(keys, webhook_id=webhook_id, timestamp=int(time.time()), body=body),
        }
        began = time.monotonic()
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                answer, cut = await _read(response)
        except TimeoutError as error:
            raise jobd.Retry(f"{url.host} did not answer within {self._settings.timeout:g} s") from error
        except aiohttp.InvalidURL as error:
            raise jobd.Fail(f"the URL of the webhook cannot be used: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise jobd.Retry(f"{url.host} could not be reached: {_words(error)}") from error
        duration_ms = round((time.monotonic() - began) * 1_000)
        _judge(url.host or "", response, answer)
        return Receipt(
            webhook_id=webhook_id,
            status=response.status,
            duration_ms=duration_ms,
            response=answer[:LONGEST_EXCERPT],
            response_cut=cut or len(answer) > LONGEST_EXCERPT,
        )


async def _read(response: aiohttp.ClientResponse) -> tuple[str, bool]:
    """The beginning of the answer, and whether there was more."""
    answer = bytearray()
    cut = True
    try:
        while len(answer) < LARGEST_ANSWER:
            piece = await response.content.read(LARGEST_ANSWER - len(answer))
            if not piece:
                cut = False
                break
            answer += piece
    except (aiohttp.ClientError, TimeoutError):
        # The status has come, and that is the receiver's verdict; its words are for people.
        pass
    if cut:
        response.close()
    return answer.decode("utf-8", "replace").replace("\0", "\ufffd"), cut


def _judge(host: str, response: aiohttp.ClientResponse, answer: str) -> None:
    status = response.status
    if 200 <= status < 300:
        return
    words = f"{host} answered {status}" + (f": {answer[:LONGEST_WORDS]}" if answer else "")
    if status in TRANSIENT or status >= 500:
        raise jobd.Retry(words, after=retry_after(response.headers.get("Retry-After"), datetime.now(UTC)))
    if status == 410:
        raise jobd.Fail(f"the endpoint is gone, stop sending to it: {words}")
    if 300 <= status < 400:
        raise jobd.Fail(f"redirects are not followed, give the URL it moved to: {words}")
    raise jobd.Fail(words)


def _words(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return str(error.os_error)
    return str(error) or type(error).__name__


def _tls_context(settings: WebhookSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.ca_file is not None:
        context.load_verify_locations(cafile=settings.ca_file)
    return context
