"""A member's inbox: words that scripts leave for it. Hearing them blocks on the server, so nobody polls when idle."""

from __future__ import annotations

import asyncio

from redis.exceptions import RedisError

from jobd.store.link import passing, translated
from jobd.store.topology import COMMAND_TIMEOUT_S, connect

LISTEN_S = 5.0
"""how long one blocking read lasts at most; a word that was lost is made up for by the poll that follows it"""
_PAUSE_S = 0.2


class Inbox:
    """Listens on a connection of its own."""

    def __init__(self, url: str, key: str) -> None:
        self._redis = connect(url, most_connections=1)
        self._key = key

    async def hear(self) -> str | None:
        """The next word; None when none came for a while, or the server was away: time to look for oneself.
        Raises StoreError if the server refuses us."""
        try:
            async with asyncio.timeout(LISTEN_S + COMMAND_TIMEOUT_S):
                reply = await self._redis.execute_command("BLPOP", self._key, LISTEN_S)
        except RedisError as error:
            if not passing(error):
                raise translated(error, "the store") from error
        except OSError:
            pass
        else:
            return reply[1].decode() if reply else None
        await self._redis.connection_pool.disconnect()
        await asyncio.sleep(_PAUSE_S)
        return None

    async def close(self) -> None:
        """Closes its connection."""
        await self._redis.aclose()
