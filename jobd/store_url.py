"""The URL of a store: which servers it names, and how they are spoken to.

    redis://user:password@host:port/db                            one server
    unix:///path/to/socket?db=0                                   one on this machine
    redis+sentinel://host:port,host:port/service/db               whichever server the Sentinels say is the master
    redis+cluster://host:port,host:port                           a Cluster; any of its nodes will do

`rediss://`, `rediss+sentinel://` and `rediss+cluster://` are the same over TLS. Names and passwords are
percent-encoded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote

Kind = Literal["server", "socket", "sentinel", "cluster"]

_KINDS: Mapping[str, tuple[Kind, bool]] = {
    "redis": ("server", False),
    "rediss": ("server", True),
    "unix": ("socket", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
_PORTS: Mapping[Kind, int] = {"server": 6379, "socket": 0, "sentinel": 26379, "cluster": 6379}
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([\w.%~-]+))(?::([0-9]{1,5}))?")

_COMMON = frozenset({"username", "password", "protocol"})
_TLS = frozenset({"ca", "cert", "key", "verify"})
_SENTINEL = frozenset({"sentinel_username", "sentinel_password"})
_ALIASES = {"ssl_ca_certs": "ca", "ssl_certfile": "cert", "ssl_keyfile": "key", "ssl_cert_reqs": "verify"}
"""the names that redis-py and Celery have for the same"""
_VERIFY: Mapping[str, Literal["full", "ca", "none"]] = {
    "full": "full",
    "required": "full",
    "cert_required": "full",
    "ca": "ca",
    "none": "none",
    "cert_none": "none",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens: a host and a port, or the path of a socket and 0."""

    host: str
    port: int = 0

    def __str__(self) -> str:
        if not self.port:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How a server proves who it is, and we to it. The files are PEM."""

    ca: str | None = None
    """the certificates that are trusted; None: those of this system"""
    cert: str | None = None
    key: str | None = None
    verify: Literal["full", "ca", "none"] = "full"
    """full: its certificate is of a trusted authority, and for this host; ca: for any host; none: not looked at"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUrl:
    """What a URL says."""

    kind: Kind
    addresses: tuple[Address, ...]
    service: str = ""
    """what the Sentinels call the master and its replicas"""
    database: int = 0
    username: str | None = None
    password: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = None
    tls: Tls | None = None
    protocol: int = 3

    @classmethod
    def parse(cls, url: str) -> StoreUrl:
        """What `url` says. Raises ValueError with a sentence that does not repeat the URL and its password."""
        scheme, separator, rest = url.partition("://")
        if not separator or scheme.lower() not in _KINDS:
            raise ValueError(
                "a Redis URL starts with redis://, rediss:// (TLS), unix://, redis+sentinel:// or redis+cluster://"
            )
        kind, encrypted = _KINDS[scheme.lower()]
        rest, _, query = rest.partition("?")
        place, slash, path = rest.partition("/")
        user_info, at, hosts = place.rpartition("@")
        user, _, password = user_info.partition(":")
        options = _options(query, kind, encrypted)
        addresses: tuple[Address, ...]
        if kind == "socket":
            if hosts or not path:
                raise ValueError("the path of a socket begins with a third slash: unix:///run/redis.sock")
            addresses, service, database = (Address(unquote(slash + path)),), "", ""
        else:
            addresses = _addresses(hosts, kind)
            service, _, database = path.partition("/") if kind == "sentinel" else ("", "", path)
        if kind == "sentinel" and not service:
            raise ValueError(
                "a URL of Sentinels names the service that they watch: redis+sentinel://host:26379/service"
            )
        return cls(
            kind=kind,
            addresses=addresses,
            service=unquote(service),
            database=_database(options.get("db", "") or database.strip("/"), kind),
            username=options.get("username", "") or unquote(user) or None,
            password=options.get("password", "") or (unquote(password) if at else None) or None,
            sentinel_username=options.get("sentinel_username"),
            sentinel_password=options.get("sentinel_password"),
            protocol=_protocol(options.get("protocol", "3")),
            tls=_tls(options) if encrypted else None,
        )


def masked(url: str) -> str:
    """The URL with its passwords hidden, for messages and logs; also that of what is no URL."""
    place, question, query = url.partition("?")
    query = re.sub(r"((?:^|&)(?:sentinel_)?password=)[^&]*", r"\1***", query)
    scheme, separator, rest = place.rpartition("://")
    # up to the last @, as a password may hold signs that it should not
    user_info, at, hosts = rest.rpartition("@")
    user, colon, _ = user_info.partition(":")
    if at and (colon or not separator):
        rest = f"{user if separator else ''}{':' if separator else ''}***@{hosts}"
    return f"{scheme}{separator}{rest}{question}{query}"


def _options(query: str, kind: Kind, encrypted: bool) -> dict[str, str]:
    known = set(_COMMON)
    known |= _TLS if encrypted else set()
    known |= _SENTINEL if kind == "sentinel" else set()
    known |= {"db"} if kind != "cluster" else set()
    options = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        option = _ALIASES.get(name, name)
        if option in _TLS and not encrypted:
            raise ValueError(f"{name}: only a URL of TLS, such as rediss://, has this option")
        if option not in known:
            raise ValueError(f"{name}: there is no such option in this URL; there are {', '.join(sorted(known))}")
        options[option] = value
    return options


def _addresses(hosts: str, kind: Kind) -> tuple[Address, ...]:
    named = hosts.split(",") if hosts else ["localhost"]
    if kind == "server" and len(named) > 1:
        raise ValueError("this names several servers: that is for redis+sentinel:// and redis+cluster://")
    found = []
    for name in named:
        match = _HOST.fullmatch(name)
        if match is None or int(match[3] or 1) not in range(1, 65_536):
            raise ValueError(
                "this is not a URL with a host and the number of a port "
                "(in a name or a password, @ : / and ? are written %40 %3A %2F and %3F)"
            )
        found.append(Address(match[1] or unquote(match[2]), int(match[3] or _PORTS[kind])))
    return tuple(found)


def _database(text: str, kind: Kind) -> int:
    if not text:
        return 0
    if kind == "cluster":
        if text == "0":
            return 0
        raise ValueError("a Cluster has one database only; leave its number away")
    if not (text.isascii() and text.isdecimal()):
        raise ValueError("a Redis URL ends in the number of a database, such as /0")
    return int(text)


def _protocol(text: str) -> int:
    if text not in ("2", "3"):
        raise ValueError("protocol: there are 2 and 3")
    return int(text)


def _tls(options: Mapping[str, str]) -> Tls:
    word = options.get("verify", "full").lower()
    if word not in _VERIFY:
        raise ValueError(f"verify: there are {', '.join(sorted(set(_VERIFY.values())))}")
    if "key" in options and "cert" not in options:
        raise ValueError("key: it belongs to a certificate; name that as cert")
    return Tls(ca=options.get("ca"), cert=options.get("cert"), key=options.get("key"), verify=_VERIFY[word])
