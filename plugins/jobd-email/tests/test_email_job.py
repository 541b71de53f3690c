"""The job type as jobd runs it: its options, its settings, and an attempt from payload to receipt."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mail_server import mail_server
from pydantic import ValidationError

import jobd
import jobd_email
from jobd_email import EmailMessage, EmailSettings, Receipt, send_email
from jobd_email.templates import Templates, templates


@dataclass
class Attempt:
    """What the handler asks of its context."""

    services: dict[Any, Any]
    last_attempt: bool = False
    job: Any = field(default_factory=lambda: SimpleNamespace(id="01JOB"))

    def service(self, wanted: Any) -> Any:
        return self.services[wanted]


async def run(message: dict[str, Any], **settings: Any) -> Receipt:
    """One attempt, with the services that the plugin offers."""
    chosen = EmailSettings.model_validate(settings)
    async with templates(chosen) as opened:
        attempt = Attempt({EmailSettings: chosen, Templates: opened})
        receipt = await send_email(attempt, EmailMessage.model_validate(message))
    assert isinstance(receipt, Receipt)
    return receipt


MAIL = {"to": "ada@example.org", "subject": "Engines", "body": "Hello"}


@pytest.mark.requirement("2.2")
def test_the_job_type_has_the_options_that_the_requirements_ask_for() -> None:
    options = send_email.options
    assert (send_email.name, options.queue, options.max_attempts) == ("send-email", "email-notifications", 5)
    assert options.timeout_ms == 60_000
    assert options.backoff == jobd.Backoff.exponential("2s")


def test_the_hooks_offer_the_type_the_settings_and_the_templates() -> None:
    assert jobd_email.jobd_job_types() == [send_email]
    assert jobd_email.jobd_settings() == ("email", EmailSettings)
    assert jobd_email.jobd_services() == {Templates: templates}


async def test_an_attempt_sends_a_template_and_its_result_is_json(tmp_path: Path) -> None:
    (tmp_path / "welcome.subject").write_text("Hello {{ name }}")
    (tmp_path / "welcome.html").write_text("<p>{{ name }}</p>")
    message = {"to": ["ada@example.org"], "template": "welcome", "templateData": {"name": "Zoë & Co"}}
    async with mail_server() as server:
        receipt = await run(
            message, host="localhost", port=server.port, tls="none", sender="a@b.example", template_dir=str(tmp_path)
        )
    (mail,) = server.mails
    assert b"<01JOB@b.example>" in (mail.original_content or b"")
    assert b'"accepted":["ada@example.org"]' in send_email.encode_result(receipt)


@pytest.mark.requirement("1.7")
@pytest.mark.parametrize("host", [{}, {"host": ""}])
async def test_without_a_server_the_job_fails_for_good_and_says_what_to_set(host: dict[str, str]) -> None:
    with pytest.raises(jobd.Fail, match=r"set \[plugins\.email\] host \(or JOBD_PLUGINS__EMAIL__HOST\)"):
        await run(MAIL, **host)


async def test_without_a_sender_the_job_fails_for_good_unless_the_username_is_an_address() -> None:
    with pytest.raises(jobd.Fail, match=r"set \[plugins\.email\] sender \(or JOBD_PLUGINS__EMAIL__SENDER\)"):
        await run(MAIL, host="mail.example")
    assert EmailSettings(host="h", username="ada@example.org").mail_from.address == "ada@example.org"


def test_a_server_on_this_machine_needs_no_sender() -> None:
    assert EmailSettings(host="localhost").mail_from.address == "jobd@localhost"


async def test_a_template_whose_subject_becomes_two_lines_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "a.subject").write_text("{{ name }}")
    (tmp_path / "a.txt").write_text("a")
    message = {"to": "ada@example.org", "template": "a", "template_data": {"name": "x\r\nBcc: eve@example.org"}}
    async with mail_server() as server:
        where = {"host": "localhost", "port": server.port, "tls": "none", "sender": "a@b.example"}
        with pytest.raises(jobd.Fail, match="control character"):
            await run(message, template_dir=str(tmp_path), **where)
    assert server.mails == []


@pytest.mark.parametrize(
    ("tls", "port"),
    [("starttls", 587), ("implicit", 465), ("none", 25)],
)
def test_the_port_follows_from_tls_unless_it_is_set(tls: str, port: int) -> None:
    assert EmailSettings.model_validate({"host": "h", "tls": tls}).server == ("h", port)
    assert EmailSettings.model_validate({"host": "h", "tls": tls, "port": "2525"}).server == ("h", 2525)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tls": "maybe"}, "starttls"),
        ({"sender": "nobody"}, "an @"),
        ({"password": "canary"}, "no username"),
        ({"host": "mail.example.org", "tls": "none", "username": "a", "password": "canary"}, "in the clear"),
        ({"ca_file": "/nowhere/ca.pem"}, "no certificates can be read"),
        ({"hots": "canary"}, "hots"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_without_telling_values(fields: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as raised:
        EmailSettings.model_validate(fields)
    assert "canary" not in str(raised.value)


def test_the_password_is_not_shown() -> None:
    assert "canary" not in repr(EmailSettings.model_validate({"host": "h", "username": "a", "password": "canary"}))


def test_who_only_enqueues_does_not_wait_for_the_mail_libraries() -> None:
    program = "import sys, jobd_email; sys.exit(bool({'aiosmtplib', 'jinja2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
