"""The job type as jobd runs it: its options, payload, settings and an attempt; and the signature itself."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from standardwebhooks.webhooks import Webhook as Receiver
from web_server import web_server

import jobd
import jobd_webhook
from jobd_webhook import CLIENT, Receipt, Webhook, WebhookSettings, deliver_webhook, webhook_client
from jobd_webhook.signature import key_of, signed_headers

SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
EVENT: dict[str, Any] = {"url": "https://hooks.example/a", "event": "invoice.paid", "data": {"id": 7}}


@dataclass
class Attempt:
    """What the handler asks of its context."""

    services: dict[Any, Any]
    job: Any

    def service(self, wanted: Any) -> Any:
        return self.services[wanted]


@pytest.mark.requirement("2.2")
def test_the_job_type_has_the_options_that_the_requirements_ask_for() -> None:
    options = deliver_webhook.options
    assert (deliver_webhook.name, options.queue, options.max_attempts) == ("deliver-webhook", "webhook-delivery", 10)
    assert options.timeout_ms == 60_000
    assert options.backoff == jobd.Backoff.exponential("1s")


def test_the_hooks_offer_the_type_the_settings_and_one_client() -> None:
    assert jobd_webhook.jobd_job_types() == [deliver_webhook]
    assert jobd_webhook.jobd_settings() == ("webhook", WebhookSettings)
    assert jobd_webhook.jobd_services() == {CLIENT: webhook_client}


@pytest.mark.requirement("1.7")
async def test_an_attempt_delivers_and_its_result_is_json() -> None:
    settings = WebhookSettings.model_validate({"secrets": {"default": SECRET}, "allow_private": True})
    born = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    async with web_server() as server, webhook_client(settings) as client:
        job = SimpleNamespace(id="01JOB", created_ms=born.timestamp() * 1_000)
        payload = Webhook.model_validate({**EVENT, "url": server.url})
        receipt = await deliver_webhook(Attempt({CLIENT: client}, job), payload)
    assert isinstance(receipt, Receipt)
    assert json.loads(deliver_webhook.encode_result(receipt))["webhook_id"] == "01JOB"
    content = Receiver(SECRET).verify(server.hits[0].body, server.hits[0].headers)
    assert content == {"type": "invoice.paid", "timestamp": "2026-01-02T03:04:05.678Z", "data": {"id": 7}}


def test_jobd_reads_and_writes_the_payload_and_names_what_is_wrong() -> None:
    raw = deliver_webhook.encode(Webhook.model_validate(EVENT))
    deliver_webhook.check_json(raw)
    assert json.loads(raw)["data"] == {"id": 7}
    deliver_webhook.check_json(json.dumps({"url": "http://a/", "event": "e", "payload": [1, None]}).encode())
    with pytest.raises(jobd.PayloadError) as raised:
        deliver_webhook.encode({"url": "ftp://a", "data": 1, "color": 1})
    assert [(fault["pointer"], fault["code"]) for fault in raised.value.faults] == [
        ("/url", "value_error"),
        ("/event", "missing"),
        ("/color", "unknown_field"),
    ]
    assert {"data", "event", "url"} <= set(deliver_webhook.payload_schema["properties"])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"payload": 1}, "same field"),
        ({"event": ""}, "at least 1"),
        ({"secret": "whsec_AAAA"}, "pattern"),
        ({"secret": "../x"}, "pattern"),
        ({"headers": {"a b": "x"}}, "not a name of a header"),
        ({"headers": {"a\r\nb": "x"}}, "not a name of a header"),
        ({"headers": {"a": "x\r\nb: c"}}, "not one line"),
        ({"headers": {"a": "x\0"}}, "not one line"),
        ({"headers": {"a": "ü"}}, "not one line"),
        ({"headers": {"a": "x" * 5_000}}, "not one line"),
        ({"headers": {"a": "1", "A": "2"}}, "given twice"),
        ({"headers": {f"x{number}": "1" for number in range(33)}}, "at most 32"),
        *(
            ({"headers": {name: "x"}}, "jobd's own")
            for name in ("Host", "webhook-id", "Webhook-Signature", "webhook-timestamp", "Content-Length")
        ),
        *(({"headers": {name: "x"}}, "jobd's own") for name in ("Transfer-Encoding", "Proxy-Authorization", "Expect")),
    ],
)
def test_what_makes_no_webhook_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Webhook.model_validate({**EVENT, **fields})


@pytest.mark.threat("S33")
@given(
    st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=3),
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1),
    st.integers(0, 2**31),
    st.text(),
)
def test_signatures_are_those_of_the_standard(keys: list[bytes], webhook_id: str, timestamp: int, text: str) -> None:
    headers = signed_headers(keys, webhook_id=webhook_id, timestamp=timestamp, body=text.encode())
    moment = datetime.fromtimestamp(timestamp, UTC)
    secrets = [f"whsec_{base64.b64encode(key).decode()}" for key in keys]
    assert headers == {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(Receiver(secret).sign(webhook_id, moment, text) for secret in secrets),
    }
    assert [key_of(secret) for secret in secrets] == [key_of(secret.rstrip("=")) for secret in secrets] == keys


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"secrets": {"default": "canary"}}, "starts with whsec_"),
        ({"secrets": {"default": "whsec_%%canary"}}, "not base64"),
        ({"secrets": {"default": "whsec_Y2FuYXJ5"}}, "24 to 64 bytes"),
        ({"secrets": {"default": [SECRET, "canary"]}}, "starts with whsec_"),
        ({"secrets": {"default": []}}, "at least 1"),
        ({"ports": [0]}, "greater than or equal to 1"),
        ({"timeout": 0}, "greater than 0"),
        ({"allow": ["http://a"]}, "neither a host name nor a network"),
        ({"ca_file": "/nowhere/ca.pem"}, "no certificates can be read"),
        ({"alow": "canary"}, "alow"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_without_telling_values(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as raised:
        WebhookSettings.model_validate(fields)
    assert "canary" not in str(raised.value)
    assert "Y2FuYXJ5" not in str(raised.value)


def test_secrets_are_not_shown() -> None:
    assert SECRET not in repr(WebhookSettings.model_validate({"secrets": {"default": SECRET}}))


def test_who_only_enqueues_does_not_wait_for_the_http_library() -> None:
    program = "import sys, jobd_webhook; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
