"""How to reach a server: from a URL to a redis client."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from jobd.errors import SettingsError

SCHEMES = ("redis", "rediss", "unix")
COMMAND_TIMEOUT_S = 5.0
"""how long one sending of a command may take, beside what it blocks on purpose"""
CONNECT_TIMEOUT_S = 5.0


def connect(url: str, *, most_connections: int = 64) -> Redis:
    """A client for `url` (redis://, rediss://, unix://); it connects on first use. It never repeats a command by
    itself: only the caller knows what is safe to send twice. Who finds all connections taken waits for one.
    It has no time limit of its own: that of redis-py loses a cancellation now and then. Callers use asyncio.timeout.
    Raises SettingsError if the URL cannot be understood."""
    scheme = urlsplit(url).scheme
    if scheme not in SCHEMES:
        raise SettingsError(f"{masked(url)}: a Redis URL starts with redis://, rediss:// (TLS) or unix://")
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
            max_connections=most_connections,
            timeout=COMMAND_TIMEOUT_S,
            socket_timeout=None,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            health_check_interval=0,
            client_name="jobd",
        )
    except (ValueError, TypeError) as error:
        raise SettingsError(f"{masked(url)}: this is not a Redis URL: {error}") from error
    return Redis.from_pool(pool)


def masked(url: str) -> str:
    """The URL with its password hidden, for messages and logs."""
    url = re.sub(r"([?&]password=)[^&]*", r"\1***", url)
    parts = urlsplit(url)
    if parts.password is None:
        # what is not a URL may hold one all the same
        return url if parts.netloc or "@" not in url else f"***@{url.rpartition('@')[2]}"
    user = parts.username or ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:***@{host}"))
