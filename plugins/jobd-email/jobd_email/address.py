"""Mail addresses, read one at a time: `ada@example.com` or `Ada Lovelace <ada@example.com>`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Self

import idna
from pydantic import AfterValidator

# One address and nothing else. A name may be quoted; angle brackets, once there, must hold all the rest.
_FORM = re.compile(r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^"<>]*))\s*<(?P<inner>[^<>]*)>|(?P<bare>[^<>]*)')
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
# Everything that ends a line, or may to somebody's reader: C0 but the tab, DEL, C1, and Unicode's line separators.
_FORBIDDEN = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
LONGEST_LOCAL = 64
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Somebody's address, and the name shown beside it."""

    name: str
    """as people read it; may be empty"""
    address: str
    """ASCII: a name of a domain in another script is in its `xn--` form"""

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    @classmethod
    def parse(cls, text: str) -> Self:
        """The one address that `text` is. Raises ValueError if it is none, several, or more than an address."""
        form = _FORM.fullmatch(single_line(text.strip()))
        if form is None:
            raise ValueError("this is not one mail address, such as ada@example.com or Ada <ada@example.com>")
        quoted, plain, inner, bare = form["quoted"], form["plain"], form["inner"], form["bare"]
        name = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else (plain or "").strip()
        if len(name) > LONGEST_NAME:
            raise ValueError(f"the name before the address is longer than {LONGEST_NAME} characters")
        return cls(name, _address(inner if inner is not None else bare))


def single_line(text: str) -> str:
    """`text` itself. Raises ValueError if it has a line end or another control character: no header may have one."""
    if (found := _FORBIDDEN.search(text)) is not None:
        raise ValueError(f"the control character {found[0]!a} is not allowed here")
    return text


def _address(text: str) -> str:
    local, at, domain = text.rpartition("@")
    if not at:
        raise ValueError("a mail address has an @, as in ada@example.com")
    if len(local) > LONGEST_LOCAL or not _LOCAL.fullmatch(local):
        raise ValueError("the part before the @ is not made of ASCII letters, digits, dots and !#$%&'*+/=?^_`{|}~-")
    domain = domain.lower()
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise ValueError(f"the part after the @ is not the name of a domain: {error}") from None
    if not _DOMAIN.fullmatch(domain):
        raise ValueError("the part after the @ is not the name of a domain")
    return f"{local}@{domain}"


def _checked(text: str) -> str:
    Mailbox.parse(text)
    return text


Address = Annotated[str, AfterValidator(_checked)]
"""a field that holds one mail address, as it was written"""
Line = Annotated[str, AfterValidator(single_line)]
"""a field that may become a header: one line of text"""
