"""One server, and how connections to it are made."""

from __future__ import annotations

import ssl
from typing import Any

from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from jobd.store_url import Address, StoreUrl, Tls

COMMAND_TIMEOUT_S = 3.0
"""how long one sending of a command may take, beside what it blocks on purpose: a line that died without a word is
found out by it, and jobs are to be taken again within 5 s"""
CONNECT_TIMEOUT_S = 3.0


def open_node(url: StoreUrl, address: Address, *, as_sentinel: bool = False) -> Redis:
    """A client for the server at `address`, which connects on first use. It never repeats a command by itself: only the
    caller knows what is safe to send twice. Who finds all connections taken waits for one. It has no time limit of its
    own: that of redis-py loses a cancellation now and then. Callers use asyncio.timeout."""
    options: dict[str, Any] = {
        "username": url.sentinel_username if as_sentinel else url.username,
        "password": url.sentinel_password if as_sentinel else url.password,
        "db": 0 if as_sentinel else url.database,
        "protocol": url.protocol,
    }
    kind: type[Connection | UnixDomainSocketConnection] = Connection
    if url.kind == "socket":
        kind = UnixDomainSocketConnection
        options["path"] = address.host
    else:
        options |= {"host": address.host, "port": address.port}
        if url.tls is not None:
            kind = SSLConnection
            options |= _tls(url.tls)
    return Redis.from_pool(
        BlockingConnectionPool(
            connection_class=kind,
            max_connections=1,
            timeout=COMMAND_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
            socket_timeout=None,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            health_check_interval=0,
            client_name=None if as_sentinel else "jobd",
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
            **options,
        )
    )


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


def _tls(tls: Tls) -> dict[str, Any]:
    return {
        "ssl_ca_certs": tls.ca,
        "ssl_certfile": tls.cert,
        "ssl_keyfile": tls.key,
        "ssl_cert_reqs": "none" if tls.verify == "none" else "required",
        "ssl_check_hostname": tls.verify == "full",
    }
