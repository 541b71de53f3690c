"""Where webhooks may go. The URL comes from a caller, who must not reach with it what only our own machines may.

A name is looked up once; every address it has is judged; the connection goes to an address that was judged. So a name
that changes its address in between (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

import jobd
from jobd_webhook.places import Address, Places, is_public
from jobd_webhook.settings import WebhookSettings
from jobd_webhook.url import literal_address, parse_url

Lookup = Callable[[str], Awaitable[list[Address]]]


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
