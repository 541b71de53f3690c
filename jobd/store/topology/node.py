"""One server, and how connections to it are made."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from redis.asyncio import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from jobd.store_url import Address, StoreUrl, Tls

COMMAND_TIMEOUT_S = 3.0
"""how long one sending of a command may take, beside what it blocks on purpose: a line that died without a word is
found out by it, and jobs are to be taken again within 5 s"""
CONNECT_TIMEOUT_S = 3.0
LOOK_UP_S = 1.0
"""how long one server may take to say who the master is"""


class Node:
    """One server, or one Sentinel."""

    def __init__(self, url: StoreUrl, address: Address, *, is_sentinel: bool = False) -> None:
        self.address = address
        self._kind: type[AbstractConnection]
        self._options: dict[str, Any] = {
            "username": url.sentinel_username if is_sentinel else url.username,
            "password": url.sentinel_password if is_sentinel else url.password,
            "db": 0 if is_sentinel else url.database,
            "protocol": url.protocol,
            "client_name": None if is_sentinel else "jobd",
            "driver_info": None,
            "retry": Retry(NoBackoff(), 0),
            "retry_on_error": [],
            "socket_timeout": None,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "health_check_interval": 0,
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        }
        if url.kind == "socket":
            self._kind = UnixDomainSocketConnection
            self._options["path"] = address.host
            return
        self._kind = Connection if url.tls is None else SSLConnection
        self._options |= {"host": address.host, "port": address.port} | _tls(url.tls)

    def connection(self) -> AbstractConnection:
        """A connection that is not open yet and belongs to the caller alone. It has no time limit of its own for
        commands: that of redis-py loses a cancellation now and then."""
        return self._kind(**self._options)

    async def answers(self, *questions: tuple[str, ...]) -> list[Any]:
        """What it answers to some commands, on a connection for these alone. Raises RedisError or OSError when it has
        no answer within a second."""
        connection = self.connection()
        try:
            async with asyncio.timeout(LOOK_UP_S):
                await connection.connect()
                for words in questions:
                    await connection.send_command(*words)
                return [await connection.read_response() for _ in questions]
        finally:
            # at once, as whoever asked may have been told elsewhere and broken off
            await connection.disconnect(nowait=True)


def check_files(tls: Tls) -> None:
    """Raises ValueError that names the file of certificates or keys that cannot be used."""
    context = ssl.create_default_context()
    for path, load in ((tls.ca, context.load_verify_locations), (tls.cert, lambda path: _load(context, path, tls.key))):
        if path is not None:
            try:
                load(path)
            except OSError as error:  # ssl.SSLError is one too
                raise ValueError(f"{path}: this file of TLS cannot be used: {error.strerror or error}") from error


def _load(context: ssl.SSLContext, path: str, key: str | None) -> None:
    context.load_cert_chain(path, key)


def _tls(tls: Tls | None) -> dict[str, Any]:
    if tls is None:
        return {}
    return {
        "ssl_ca_certs": tls.ca,
        "ssl_certfile": tls.cert,
        "ssl_keyfile": tls.key,
        "ssl_cert_reqs": "none" if tls.verify == "none" else "required",
        "ssl_check_hostname": tls.verify == "full",
    }
