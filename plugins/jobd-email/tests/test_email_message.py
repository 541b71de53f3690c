"""The payload: what is accepted, in which spellings, and what is refused with which words."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import jobd
from jobd_email import Attachment, EmailMessage, send_email
from jobd_email.address import Mailbox

MAIL: dict[str, Any] = {"to": "ada@example.org", "subject": "Engines", "body": "Hello"}


def faults(**fields: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        EmailMessage.model_validate({**MAIL, **fields})
    return str(raised.value)


@pytest.mark.requirement("1.7")
def test_the_payload_of_customers_is_accepted_as_written_in_both_spellings() -> None:
    camel = {
        "subAccountId": "sub-1",
        "to": ["ada@example.org", "bob@example.org"],
        "subject": "Welcome",
        "template": "welcome",
        "templateData": {"name": "Ada"},
        "userId": "user-1",
        "metadata": {"campaign": 7},
    }
    snake = {
        "sub_account_id": camel.pop("subAccountId"),
        "template_data": camel.pop("templateData"),
        "user_id": camel.pop("userId"),
        **camel,
    }
    camel = {"subAccountId": "sub-1", "templateData": {"name": "Ada"}, "userId": "user-1", **camel}
    assert EmailMessage.model_validate(camel) == EmailMessage.model_validate(snake)
    assert EmailMessage.model_validate(snake).template_data == {"name": "Ada"}


def test_unknown_fields_are_refused_at_every_level() -> None:
    assert "Extra inputs are not permitted" in faults(colour="red")
    assert "Extra inputs are not permitted" in faults(attachments=[{"name": "a", "content": "", "path": "/etc/passwd"}])


def test_a_field_given_in_both_spellings_is_refused() -> None:
    assert "user_id and userId are the same field" in faults(user_id="1", userId="2")


def test_jobd_reads_and_writes_the_payload_and_names_what_is_wrong() -> None:
    message = EmailMessage(**MAIL, attachments=[Attachment(name="a.bin", content=b"\xfb\xff\x00")])
    raw = send_email.encode(message)
    assert base64.b64encode(b"\xfb\xff\x00") in raw
    assert b"reply_to" in raw, "fields read back by their own names"
    send_email.check_json(raw)
    with pytest.raises(jobd.PayloadError) as raised:
        send_email.encode({**MAIL, "to": ["ada@example.org", "nobody"], "reply_to": "x"})
    assert [fault["pointer"] for fault in raised.value.faults] == ["/to/1", "/reply_to"]


def test_the_schema_tells_what_may_be_sent() -> None:
    schema = send_email.payload_schema
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["to"]
    assert {"type": "string"} in schema["properties"]["to"]["anyOf"]
    assert "template_data" in schema["properties"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"to": []}, "at least 1"),
        ({"to": [f"a{number}@example.org" for number in range(101)]}, "up to 100 recipients"),
        ({"subject": None}, "no subject"),
        ({"body": None}, "no words"),
        ({"template": "welcome"}, "one of them"),
        ({"template_data": {"a": 1}}, "no use without a template"),
        ({"body": None, "template": "../../etc/passwd"}, "pattern"),
        ({"body": None, "template": "/etc/passwd"}, "pattern"),
        ({"body": None, "template": "welcome\n"}, "pattern"),
        ({"subject": "Hello\r\nBcc: eve@example.org"}, r"'\r' is not allowed"),
        ({"subject": "Hello\x00"}, r"'\x00' is not allowed"),
        ({"attachments": [{"name": "a/b", "content": ""}]}, "no / and no"),
        ({"attachments": [{"name": "a\nb", "content": ""}]}, "printable"),
        ({"attachments": [{"name": "=?utf-8?q?a?=", "content": ""}]}, "encoded word"),
        ({"attachments": [{"name": "a", "content": "%%%"}]}, "not base64"),
        ({"attachments": [{"name": "a", "content": "", "media_type": "text/plain\r\nX: y"}]}, "pattern"),
        ({"attachments": [{"name": "a", "content": "", "media_type": "message/rfc822"}]}, "cannot be attached"),
        ({"attachments": [{"name": "a", "content": ""}] * 51}, "at most 50"),
    ],
)
def test_what_makes_no_mail_is_refused(fields: dict[str, Any], words: str) -> None:
    assert words in faults(**fields)


def test_attachments_are_bounded_together() -> None:
    half = base64.b64encode(bytes(6 * 1024 * 1024)).decode()
    EmailMessage.model_validate({**MAIL, "attachments": [{"name": "a", "content": half}]})
    assert "larger than 10 MiB" in faults(attachments=[{"name": "a", "content": half}, {"name": "b", "content": half}])


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("ada@example.org", "", "ada@example.org"),
        ("  <ada@example.org> ", "", "ada@example.org"),
        ("Ada Lovelace <Ada.L+x@Example.ORG>", "Ada Lovelace", "Ada.L+x@example.org"),
        ('"Lovelace, \\"Ada\\"" <ada@example.org>', 'Lovelace, "Ada"', "ada@example.org"),
        ("Zoë <zoe@bücher.example>", "Zoë", "zoe@xn--bcher-kva.example"),
        ("root@localhost", "", "root@localhost"),
    ],
)
def test_an_address_is_read_with_its_name(text: str, name: str, address: str) -> None:
    assert Mailbox.parse(text) == Mailbox(name, address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@example.org, eve@example.org",
        "ada@example.org eve@example.org",
        "ada@example.org;eve@example.org",
        "Ada <ada@example.org> <eve@example.org>",
        "Ada <ada@example.org>, Eve <eve@example.org>",
        "friends: ada@example.org, eve@example.org;",
        "ada@example.org>\r\nRCPT TO:<eve@example.org",
        "ada@example.org\nBcc: eve@example.org",
        "Ada\r\nBcc: eve@example.org <ada@example.org>",
        "ada@example.org\x00",
        "ada@example.org\u2028eve@example.org",
        '"ada\\"@example.org, eve"@example.org',
        "ada@eve@example.org",
        "ada..l@example.org",
        ".ada@example.org",
        "ada@example..org",
        "ada@-example.org",
        "ada@[127.0.0.1]",
        "ada@exam ple.org",
        "zoë@example.org",
        "a" * 65 + "@example.org",
        "ada@" + "a" * 64 + ".org",
        "ada@" + "a." * 130 + "org",
    ],
)
def test_what_is_not_exactly_one_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Mailbox.parse(text)


@given(st.text(max_size=60))
def test_whatever_is_taken_for_an_address_is_plain_ascii_with_one_at(text: str) -> None:
    for candidate in (text, f"{text}@example.org", f"ada@{text}", f"{text} <ada@example.org>", f"Ada <{text}>"):
        try:
            address = Mailbox.parse(candidate).address
        except ValueError:
            continue
        assert address.isascii()
        assert address.isprintable()
        assert address.count("@") == 1
        assert not set(address) & set(' ,;:<>()[]"\\')
