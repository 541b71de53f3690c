"""Where webhooks may go. The URL comes from a caller, who must not reach with it what only our own machines may.

A name is looked up once; every address it has is judged; the connection goes to an address that was judged. So a name
that changes its address in between (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

import jobd
from jobd_webhook.places import Address, Places, is_public
from jobd_webhook.settings import WebhookSettings

LONGEST_URL = 2_048
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029]")
_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?"
)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

Lookup = Callable[[str], Awaitable[list[Address]]]


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


class Egress:
    """Judges hosts, ports and addresses by the settings."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._ports = frozenset(settings.ports)
        self._allow_private = settings.allow_private
        self._allow = Places.parse(settings.allow)
        self._only = Places.parse(settings.only)

    def admit(self, text: str) -> URL:
        """The URL to use. Raises jobd.Fail if it is none, or if it names an address where webhooks may not go."""
        try:
            url = parse_url(text)
            address = literal_address(url.raw_host or "", text)
        except ValueError as error:
            raise jobd.Fail(f"the URL of the webhook cannot be used: {error}") from None
        if address is not None:
            self.judge(url.raw_host or "", url.port or 0, [address])
        return url

    def judge(self, host: str, port: int, addresses: list[Address]) -> None:
        """Raises jobd.Fail, saying what to set, if one of the addresses of a host is not to be reached."""
        for address in addresses:
            if self._only and not self._only.has(host, address):
                raise _refusal(host, f"it is not in `only` of [plugins.webhook]; add {host!r} there")
            if self._allow_private or self._allow.has(host, address):
                continue
            if not is_public(address):
                raise _refusal(
                    host,
                    f"{address} is not a public address; add {host!r} or its network to `allow` of [plugins.webhook],"
                    " or set allow_private = true there",
                )
            if port not in self._ports:
                raise _refusal(host, f"port {port} is not in `ports` of [plugins.webhook]; add it there")


def _refusal(host: str, reason: str) -> jobd.Fail:
    return jobd.Fail(f"webhooks may not go to {host}: {reason}")


class JudgedResolver(AbstractResolver):
    """Gives aiohttp the addresses of a name, all of them judged, to connect to and not to look up again."""

    def __init__(self, egress: Egress, lookup: Lookup | None = None) -> None:
        self._egress = egress
        self._lookup = lookup or system_lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises OSError if the name has no address, jobd.Fail if it may not be reached."""
        addresses = await self._lookup(host)
        if not addresses:
            raise OSError(f"{host} has no address")
        self._egress.judge(host, port, addresses)
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """There is nothing to close."""


async def system_lookup(host: str) -> list[Address]:
    """The addresses of a name by the system's resolver. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(sockaddr[0]) for *_, sockaddr in found))
