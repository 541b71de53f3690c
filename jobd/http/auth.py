"""Who may ask: closed by default.

On a loopback address jobd may go without a token, for whoever can connect can also read the data directory; then only
browsers need to be kept out, which carry foreign pages' requests. On any other address there is no start without one.
"""

from __future__ import annotations

import hmac
import ipaddress
from functools import lru_cache
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from jobd.errors import SettingsError
from jobd.http.refusals import Forbidden, Unauthenticated

SHORTEST_TOKEN: Final = 16
"""characters; what is shorter may be found by trying"""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Lets requests in, or refuses them."""

    def __init__(self, host: str, token: str | None) -> None:
        """`host` is the address that the server listens on. Raises SettingsError if it needs a token and has none."""
        if token is not None and (not token.strip() or not token.isascii() or not token.isprintable()):
            raise SettingsError("http.token: use printable ASCII characters, such as those of `openssl rand -hex 32`")
        if token is None and not is_loopback(host):
            raise SettingsError(
                f"host {host}: whoever reaches this address could run jobs, so it needs a token; set JOBD_HTTP__TOKEN "
                "(http.token) to a long random one, or listen on 127.0.0.1"
            )
        self._digest = _digest(token) if token is not None else None
        self.is_guessable = token is not None and len(token) < SHORTEST_TOKEN and not is_loopback(host)
        """may strangers find the token by trying?"""

    def check(self, request: web.Request) -> None:
        """Raises Unauthenticated or Forbidden if this request may not pass."""
        if self._digest is not None:
            self._check_token(request.headers.get("Authorization", ""))
        else:
            _check_host(request.headers.get("Host"))
        if request.method not in SAFE_METHODS:
            _check_page(request)

    def _check_token(self, credentials: str) -> None:
        scheme, _, token = credentials.partition(" ")
        # hashes first: they are of one length, so the comparison tells nothing about the token's
        if self._digest is None or (
            scheme.lower() == "bearer" and hmac.compare_digest(_digest(token.strip()), self._digest)
        ):
            return
        said = "this token is not the right one" if credentials else "there is no token"
        raise Unauthenticated(
            f"{said}; send the header Authorization: Bearer <token>",
            headers={"WWW-Authenticate": 'Bearer realm="jobd"'},
        )


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Does this address or name mean this machine alone?"""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _check_host(host: str | None) -> None:
    """A foreign page can point its own name at 127.0.0.1 (DNS rebinding); its requests still carry that name."""
    if host is None or is_loopback(_without_port(host)):
        return
    raise Forbidden(
        "without a token only requests to a loopback name such as localhost are answered; to be reached by another "
        "name, set http.token"
    )


def _check_page(request: web.Request) -> None:
    """State changes that a browser sends for another site's page are refused."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is None:
        # browsers that do not tell the site tell at least the origin
        origin = request.headers.get("Origin")
        foreign = origin is not None and _host_of(origin) != request.headers.get("Host", "").lower()
    else:
        foreign = site not in ("same-origin", "none")
    if foreign:
        raise Forbidden("a page of another site may not change anything here")


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and (port.isdigit() or not port) and not name.endswith(":") else host


def _digest(token: str) -> bytes:
    return sha256(token.encode(errors="surrogateescape")).digest()
