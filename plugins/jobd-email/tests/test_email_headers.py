"""No text that a caller gives ever becomes a second header, a second recipient or another subject."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import SMTP, compat32
from email.utils import getaddresses

import pytest
from aiosmtpd.smtp import Envelope
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mail_server import MailServer, mail_server
from pydantic import ValidationError

from jobd_email.address import Mailbox
from jobd_email.delivery import deliver
from jobd_email.headers import mailbox_header, text_header
from jobd_email.letter import Letter
from jobd_email.message import Attachment, EmailMessage
from jobd_email.settings import EmailSettings
from jobd_email.words import Words

LINE_ENDS = ["\r", "\n", "\r\n", "\0", "\x0b", "\x85", "\u2028", "\r\nBcc: eve@evil.example", "\n.\r\n", "\r\n\r\n"]
LOOKALIKES = [
    "=?utf-8?q?=0d=0aBcc:_eve@evil.example?=",
    "=?utf-8?b?DQpCY2M6IGV2ZUBldmlsLmV4YW1wbGU=?=",
    *(", eve@evil.example", "<eve@evil.example>", '"', "\\", ";", ":", "=?", "?=", "\t", "  "),
    *("x" * 90, "ü" * 50, "🎉"),
]
NASTY = st.lists(
    st.one_of(
        st.sampled_from(LINE_ENDS + LOOKALIKES),
        st.text(max_size=20),
    ),
    max_size=6,
).map("".join)
MAYBE_NASTY = st.one_of(st.just("plain"), NASTY)
OURS = {"from", "to", "subject", "date", "message-id", "x-jobd-id", "mime-version"}
CONTENT = {"content-type", "content-transfer-encoding"}


def compose(subject: str, name: str, body: str, file: str) -> Letter:
    """Raises ValueError if one of them is refused."""
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    message = EmailMessage(
        to=[f"{quoted} <ada@example.org>"],
        subject=subject,
        body=body,
        attachments=[Attachment(name=file, content=b"x")] if file else [],
    )
    words = Words(subject=subject, text=body, html=None)
    sender = Mailbox(name, "jobd@example.com")
    return Letter.compose(message, words, sender=sender, job_id="01JOB", now=datetime.now(UTC))


def check(mail: Envelope, subject: str, name: str, body: str, file: str) -> None:
    """Judges from the bytes that arrived, with another reader than the one that wrote them."""
    raw = mail.original_content or b""
    assert (mail.mail_from, mail.rcpt_tos) == ("jobd@example.com", ["ada@example.org"])
    head = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert all(len(line) <= 998 and b"\r" not in line and b"\n" not in line and b"\0" not in line for line in head)
    names = [line.partition(b":")[0].decode().lower() for line in head if not line.startswith(b" ")]
    assert sorted(names) == sorted({*names}), "each header once"
    assert set(names) - CONTENT == OURS
    got = message_from_bytes(raw, policy=compat32)
    assert str(make_header(decode_header(got["Subject"]))) == subject
    ((shown, address),) = getaddresses([got["To"].replace("\r\n", "")])
    assert address == "ada@example.org"
    assert str(make_header(decode_header(shown))) == name
    modern = message_from_bytes(raw, policy=SMTP)
    text = modern.get_body()
    assert text is not None
    # The reader's own business: which line end it uses, and that the last line has one.
    assert text.get_content().encode().split() == body.encode().split()
    assert [part["Content-Disposition"].params["filename"] for part in modern.iter_attachments()] == (
        [file] if file else []
    )
    inner = {header.lower() for part in modern.walk() if part is not modern for header in part.keys()}  # noqa: SIM118
    assert inner <= CONTENT | {"content-disposition", "mime-version"}


@pytest.mark.threat("S37")
@pytest.mark.requirement("1.7")
def test_no_text_of_a_caller_adds_a_header_or_a_recipient_at_a_real_server() -> None:
    with asyncio.Runner() as runner:
        context = mail_server()
        server: MailServer = runner.run(context.__aenter__())
        where = EmailSettings(host="localhost", port=server.port, tls="none")

        @settings(deadline=None, max_examples=600, suppress_health_check=[HealthCheck.too_slow])
        @given(subject=MAYBE_NASTY, name=MAYBE_NASTY, body=NASTY, file=MAYBE_NASTY)
        @example(subject="=?utf-8?q?a=0d=0aBcc:_eve@evil.example?=", name="", body="", file="")
        @example(subject="a", name='", eve@evil.example, "', body=".\r\n.\r\nMAIL FROM:<x@y>", file='x"; y="z')
        def one(subject: str, name: str, body: str, file: str) -> None:
            try:
                letter = compose(subject, name, body, file)
            except (ValidationError, ValueError):
                return
            server.mails.clear()
            runner.run(deliver(letter, where, last_attempt=False))
            (mail,) = server.mails
            check(mail, subject, name, body, file)

        one()
        runner.run(context.__aexit__(None, None, None))


CONTROL = st.sampled_from([chr(code) for code in (*range(9), *range(10, 32), 127, *range(128, 160), 0x2028, 0x2029)])


@pytest.mark.threat("S37")
@given(st.text(max_size=20), CONTROL, st.text(max_size=20))
def test_a_control_character_in_a_header_is_refused(before: str, control: str, after: str) -> None:
    with pytest.raises(ValueError):
        text_header("Subject", before + control + after)
    with pytest.raises(ValueError):
        mailbox_header("To", [Mailbox(before + control + after, "ada@example.org")])


@pytest.mark.parametrize(
    ("mailbox", "line"),
    [
        (Mailbox("", "a@b.c"), "To: a@b.c\r\n"),
        (Mailbox("Ada Lovelace", "a@b.c"), "To: Ada Lovelace <a@b.c>\r\n"),
        (Mailbox("Lovelace, Ada", "a@b.c"), 'To: "Lovelace, Ada" <a@b.c>\r\n'),
        (Mailbox('say "hi" \\', "a@b.c"), 'To: "say \\"hi\\" \\\\" <a@b.c>\r\n'),
        (Mailbox("Zoë", "a@b.c"), "To: =?utf-8?b?Wm/Dqw==?= <a@b.c>\r\n"),
    ],
)
def test_an_address_is_written_as_readers_expect(mailbox: Mailbox, line: str) -> None:
    assert mailbox_header("To", [mailbox]) == line


def test_each_attempt_of_a_job_sends_the_same_message_id_whatever_characters_the_id_has() -> None:
    message = EmailMessage(to=["ada@example.org"], subject="s", body="b")
    words = Words(subject="s", text="b", html=None)
    sender = Mailbox("", "jobd@example.com")
    for job_id, left in (("01JOB", "01JOB"), ("order:7@eu", None), ("a..b", None)):
        letters = [
            Letter.compose(message, words, sender=sender, job_id=job_id, now=datetime(2026, 1, day, tzinfo=UTC))
            for day in (1, 2)
        ]
        assert letters[0].message_id == letters[1].message_id
        assert left is None or letters[0].message_id == f"<{left}@example.com>"
        assert letters[0].message_id.count("@") == 1
        assert f"X-Jobd-Id: {job_id}\r\n".encode() in letters[0].content
