"""Header lines, written so that a value can never become a second header.

The standard library reads a value as if it had come by mail: `=?utf-8?q?…?=` in it is decoded, commas part addresses.
What callers give is plain text. So these few lines are written here: a value goes out as it is when it is plain ASCII
that no reader could take for an encoding, and as encoded words of RFC 2047 else.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

from jobd_email.address import Mailbox, single_line

_PLAIN = re.compile(r"[\x20-\x7e]*")
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=^_`{|}~ -]+")
LONGEST_PLAIN = 60
_CHUNK = 39
"""bytes in one encoded word: makes 64 characters, so that a line with a name before it stays under 76"""


def text_header(name: str, value: str) -> str:
    """One header of free text, such as a subject. Raises ValueError if the value has a control character."""
    return f"{name}: {_text(single_line(value), quoted=False)}\r\n"


def mailbox_header(name: str, mailboxes: Iterable[Mailbox]) -> str:
    """One header of addresses, one on each line. Raises ValueError if a name has a control character."""
    return f"{name}: " + ",\r\n ".join(_mailbox(mailbox) for mailbox in mailboxes) + "\r\n"


def _mailbox(mailbox: Mailbox) -> str:
    if not mailbox.name:
        return mailbox.address
    return f"{_text(single_line(mailbox.name), quoted=True)} <{mailbox.address}>"


def _text(value: str, *, quoted: bool) -> str:
    plain = _PLAIN.fullmatch(value) and "=?" not in value and value == value.strip()
    if not plain or len(value) > LONGEST_PLAIN:
        return "\r\n ".join(_encoded_words(value))
    if not quoted or (_PHRASE.fullmatch(value) and "  " not in value):
        return value
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def _encoded_words(value: str) -> Iterable[str]:
    chunk = b""
    for character in value:
        more = character.encode()
        if len(chunk) + len(more) > _CHUNK:
            yield _encoded_word(chunk)
            chunk = b""
        chunk += more
    yield _encoded_word(chunk)


def _encoded_word(chunk: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(chunk).decode('ascii')}?="
