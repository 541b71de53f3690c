"""Delivery to a real SMTP server on loopback."""

from __future__ import annotations

import asyncio
import base64
import traceback
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP
from typing import Any

import pytest
from mail_server import PASSWORD, USER, Certificates, MailServer, mail_server, speaking_server

import jobd
from jobd_email.address import Mailbox
from jobd_email.delivery import deliver
from jobd_email.letter import Letter
from jobd_email.message import EmailMessage
from jobd_email.receipt import Receipt
from jobd_email.settings import EmailSettings
from jobd_email.words import Words


def letter(*recipients: str, **fields: Any) -> Letter:
    message = EmailMessage.model_validate(
        {"to": list(recipients or ["ada@example.org"]), "subject": "Engines", "body": "Hello Ada", **fields}
    )
    words = Words(subject=message.subject or "", text=message.body, html=message.html)
    sender = Mailbox.parse("Jobd <jobd@example.com>")
    return Letter.compose(message, words, sender=sender, job_id="01JOB", now=datetime(2026, 1, 2, 3, 4, tzinfo=UTC))


def settings(port: int, **fields: Any) -> EmailSettings:
    return EmailSettings.model_validate(
        {"host": "localhost", "port": port, "tls": "none", "sender": USER, "timeout": 5, **fields}
    )


async def send(server: MailServer, *recipients: str, last_attempt: bool = False, **how: Any) -> Receipt:
    return await deliver(letter(*recipients), settings(server.port, **how), last_attempt=last_attempt)


@pytest.mark.requirement("1.7")
async def test_a_mail_reaches_the_server_with_its_envelope_and_words() -> None:
    async with mail_server() as server:
        sent = letter("ada@example.org", html="<b>Hello</b>", cc="Bob <bob@example.org>", bcc=["eve@example.org"])
        receipt = await deliver(sent, settings(server.port), last_attempt=False)
    assert receipt.accepted == ["ada@example.org", "bob@example.org", "eve@example.org"]
    assert (receipt.refused, receipt.message_id, receipt.response) == ([], "<01JOB@example.com>", "250 kept as 42")
    (mail,) = server.mails
    assert (mail.mail_from, mail.rcpt_tos) == ("jobd@example.com", receipt.accepted)
    got = message_from_bytes(mail.original_content or b"", policy=SMTP)
    assert (got["From"], got["To"], got["Cc"]) == (
        "Jobd <jobd@example.com>",
        "ada@example.org",
        "Bob <bob@example.org>",
    )
    assert (got["Subject"], got["Message-ID"], got["X-Jobd-Id"]) == ("Engines", "<01JOB@example.com>", "01JOB")
    assert got["Bcc"] is None
    assert b"eve@example.org" not in (mail.original_content or b"")
    assert [part.get_content().strip() for part in got.iter_parts()] == ["Hello Ada", "<b>Hello</b>"]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_over_tls_with_a_login_the_mail_is_taken(tls: str, certificates: Certificates) -> None:
    async with mail_server(**{tls: certificates.server}, login=True) as server:
        receipt = await send(server, tls=tls, username=USER, password=PASSWORD, ca_file=certificates.ca_file)
    assert receipt.accepted == ["ada@example.org"]
    assert server.encrypted == [True]
    assert [login.password for login in server.logins] == [PASSWORD.encode()]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_certificate_of_an_unknown_authority_is_refused(tls: str, certificates: Certificates) -> None:
    async with mail_server(**{tls: certificates.server}, login=True) as server:
        with pytest.raises(jobd.Fail, match=r"certificate .* is not trusted.* \[plugins.email\] ca_file"):
            await send(server, tls=tls, username=USER, password=PASSWORD)
    assert server.logins == []


async def test_a_certificate_for_another_name_is_refused(certificates: Certificates) -> None:
    async with mail_server(implicit=certificates.server) as server:
        with pytest.raises(jobd.Fail, match="is not trusted"):
            await send(server, host="127.0.0.1", tls="implicit", ca_file=certificates.ca_file)


async def test_a_server_without_starttls_gets_neither_password_nor_mail() -> None:
    async with mail_server(login=True) as server:
        with pytest.raises(jobd.Fail, match="offers no STARTTLS"):
            await send(server, tls="starttls", username=USER, password=PASSWORD)
    assert (server.logins, server.mails) == ([], [])


async def test_a_server_without_login_is_a_permanent_failure() -> None:
    async with mail_server() as server:
        with pytest.raises(jobd.Fail, match="takes no login"):
            await send(server, username=USER, password=PASSWORD)


@pytest.mark.threat("S42")
async def test_a_refused_login_is_permanent_and_does_not_tell_the_password(certificates: Certificates) -> None:
    forms = [base64.b64encode(text.encode()).decode() for text in (PASSWORD, f"\0{USER}\0{PASSWORD}")]
    echo = f"535 5.7.8 no: {PASSWORD} {' '.join(forms)}"
    async with mail_server(starttls=certificates.server, login=True, login_answer=echo) as server:
        with pytest.raises(jobd.Fail, match=r"refused the login: 535 5\.7\.8 no: ") as raised:
            await send(server, tls="starttls", username=USER, password=PASSWORD, ca_file=certificates.ca_file)
    told = "".join(traceback.format_exception(raised.value, chain=False))
    assert raised.value.__suppress_context__
    assert not [form for form in (PASSWORD, *forms) if form in told + raised.value.reason]


async def test_a_login_that_is_put_off_is_tried_again(certificates: Certificates) -> None:
    answer = "454 4.7.0 temporary authentication failure"
    async with mail_server(starttls=certificates.server, login=True, login_answer=answer) as server:
        with pytest.raises(jobd.Retry, match="454"):
            await send(server, tls="starttls", username=USER, password=PASSWORD, ca_file=certificates.ca_file)


@pytest.mark.parametrize("how", [{"mail_answer": "451 try later"}, {"data_answer": "452 full"}])
async def test_a_4xx_answer_is_tried_again_as_the_backoff_says(how: dict[str, Any]) -> None:
    async with mail_server(**how) as server:
        with pytest.raises(jobd.Retry, match=next(iter(how.values()))) as raised:
            await send(server)
    assert raised.value.after_ms is None
    assert server.mails == []


@pytest.mark.parametrize("how", [{"mail_answer": "550 5.7.1 not from you"}, {"data_answer": "554 5.6.0 spam"}])
async def test_a_5xx_answer_is_permanent_with_the_words_of_the_server(how: dict[str, Any]) -> None:
    async with mail_server(**how) as server:
        with pytest.raises(jobd.Fail, match=next(iter(how.values()))):
            await send(server)


async def test_a_mail_beyond_the_size_of_the_server_is_refused_before_it_is_sent() -> None:
    async with mail_server() as server:
        with pytest.raises(jobd.Fail, match="552"):
            await deliver(letter(body="x" * 1_100_000), settings(server.port), last_attempt=False)


async def test_greylisting_is_tried_again_after_minutes() -> None:
    async with mail_server(rcpt_answers={"ada@example.org": "451 4.7.1 Greylisted, come back later"}) as server:
        with pytest.raises(jobd.Retry, match="Greylisted") as raised:
            await send(server)
    assert raised.value.after_ms == 300_000


async def test_if_all_recipients_are_refused_for_good_the_job_fails_with_each_reason() -> None:
    answers = {"ada@example.org": "550 5.1.1 no such user", "bob@example.org": "553 5.1.3 bad name"}
    async with mail_server(rcpt_answers=answers) as server:
        with pytest.raises(jobd.Fail, match=r"all recipients: ada@.*550 5\.1\.1 no such user; bob@.*553") as raised:
            await send(server, "ada@example.org", "bob@example.org")
    assert "bob@example.org" in raised.value.reason


async def test_those_who_are_accepted_get_the_mail_and_the_refused_are_in_the_receipt() -> None:
    async with mail_server(rcpt_answers={"bob@example.org": "550 5.1.1 no such user"}) as server:
        receipt = await send(server, "ada@example.org", "bob@example.org")
    assert receipt.accepted == ["ada@example.org"]
    assert [refusal.model_dump() for refusal in receipt.refused] == [
        {"address": "bob@example.org", "code": 550, "reason": "5.1.1 no such user"}
    ]
    assert [mail.rcpt_tos for mail in server.mails] == [["ada@example.org"]]


async def test_if_one_recipient_is_put_off_nobody_gets_the_mail_twice() -> None:
    async with mail_server(rcpt_answers={"bob@example.org": "450 4.2.1 busy"}) as server:
        with pytest.raises(jobd.Retry, match=r"bob@example\.org: 450"):
            await send(server, "ada@example.org", "bob@example.org")
        assert server.mails == []
        receipt = await send(server, "ada@example.org", "bob@example.org", last_attempt=True)
    assert (receipt.accepted, [refusal.code for refusal in receipt.refused]) == (["ada@example.org"], [450])


async def test_if_all_are_put_off_the_last_attempt_is_no_success() -> None:
    async with mail_server(rcpt_answers={"ada@example.org": "450 4.2.1 busy"}) as server:
        with pytest.raises(jobd.Retry, match="450"):
            await send(server, last_attempt=True)


async def test_a_greeting_of_421_is_tried_again_and_of_554_is_permanent() -> None:
    async with speaking_server("421 too many connections") as port:
        with pytest.raises(jobd.Retry, match="421 too many"):
            await deliver(letter(), settings(port), last_attempt=False)
    async with speaking_server("554 no service for you") as port:
        with pytest.raises(jobd.Fail, match="554 no service"):
            await deliver(letter(), settings(port), last_attempt=False)


async def test_a_server_that_closes_at_a_recipient_is_told_by_its_words() -> None:
    async with speaking_server("220 hello", "250 localhost", "250 OK", "421 4.3.2 shutting down") as port:
        with pytest.raises(jobd.Retry, match=r"421 4\.3\.2 shutting down"):
            await deliver(letter("ada@example.org", "bob@example.org"), settings(port), last_attempt=False)


async def test_a_server_that_hangs_up_is_tried_again() -> None:
    async with speaking_server("220 hello", "250 localhost") as port:
        with pytest.raises(jobd.Retry, match=f"localhost:{port} could not be used"):
            await deliver(letter(), settings(port), last_attempt=False)


async def test_a_port_where_nobody_listens_is_tried_again() -> None:
    async with speaking_server() as port:
        pass
    with pytest.raises(jobd.Retry, match=f"localhost:{port} could not be used"):
        await deliver(letter(), settings(port), last_attempt=False)


async def test_a_silent_server_is_given_up_after_the_timeout() -> None:
    silence = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silence.wait()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(jobd.Retry, match="Timed out"):
            await deliver(letter(), settings(port, timeout=0.05), last_attempt=False)
        silence.set()


async def test_a_mail_that_was_taken_is_a_success_even_if_the_server_then_hangs_up() -> None:
    taken = ("220 hello", "250 localhost", "250 OK", "250 OK", "354 go on", "250 kept as 7")
    async with speaking_server(*taken) as port:
        receipt = await deliver(letter(), settings(port), last_attempt=False)
    assert receipt.response == "250 kept as 7"


async def test_a_server_that_hangs_up_before_it_took_the_mail_is_tried_again() -> None:
    async with speaking_server("220 hello", "250 localhost", "250 OK", "250 OK", "354 go on") as port:
        with pytest.raises(jobd.Retry):
            await deliver(letter(), settings(port), last_attempt=False)
