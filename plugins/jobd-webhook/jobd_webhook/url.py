"""The URL of a webhook, read once and strictly."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

from yarl import URL

from jobd_webhook.places import Address

LONGEST_URL = 2_048
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029]")
_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?"
)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def parse_url(text: str) -> URL:
    """The URL of a webhook. Raises ValueError if it is not one that a web server could have."""
    if len(text) > LONGEST_URL:
        raise ValueError(f"the URL is longer than {LONGEST_URL} characters")
    if _FORBIDDEN.search(text):
        raise ValueError("the URL has a space, a backslash or a control character")
    url = URL(text)
    if url.scheme not in ("http", "https"):
        raise ValueError("the URL starts with neither https:// nor http://")
    if url.user is not None or url.password is not None:
        raise ValueError("the URL has a name or password in it; send an Authorization header")
    if url.raw_host is None:
        raise ValueError("the URL has no host")
    literal_address(url.raw_host, text)
    return url.with_fragment(None)


def literal_address(host: str, text: str) -> Address | None:
    """The address that a host is; None if it is a name. Raises ValueError if it is neither, or an address in a spelling
    (octal, hexadecimal, short, in other digits) that programs read in different ways; `text` is the URL as written."""
    if ":" in host:
        if "%" in host:
            raise ValueError("the address has a zone")
        return IPv6Address(host)
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        if host not in text:
            raise ValueError("the address is written in other digits than 0 to 9")
        return IPv4Address(host)
    if not _NAME.fullmatch(host):
        raise ValueError("the host is not a name of the domain name system")
    return None
