"""A member's inbox: words that scripts leave for it. Hearing them blocks on the server, so nobody polls when idle."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.exceptions import RedisError

from jobd.errors import StoreUnavailable
from jobd.store.link import passing, translated
from jobd.store.topology.owner import Owner
from jobd.store.topology.wire import Wire

LISTEN_S = 2.5
"""how long one blocking read lasts at most; a word that was lost is made up for by the poll that follows it"""
_PATIENCE_S = 1.0
"""how much longer its answer may take: a line that died without a word costs no more than both"""
_PAUSE_S = 0.2
LOOK = "look"
"""the word that stands for others that were lost: the line broke, or the inbox was full (lua/lib/wake.lua)"""


class Inbox:
    """Listens on a connection of its own."""

    def __init__(self, owner: Owner, key: str) -> None:
        self._owner = owner.twin()
        self._key = key
        self._reading: Wire | None = None
        """the wire on which a read is under way"""
        self._begun = asyncio.Event()
        self._interruptions = 0

    async def hear(self) -> str | None:
        """The next word; None when none came for a while; LOOK when one may have been lost, as the line broke: time to
        look for oneself. Raises StoreError if the server refuses us."""
        wire = None
        try:
            async with asyncio.timeout(LISTEN_S + _PATIENCE_S):
                wire = self._reading = await self._owner.wire()
                self._begun.set()
                reply = await wire.execute("BLPOP", self._key, LISTEN_S, may_be_late=True)
        except RedisError as error:
            if not passing(error):
                raise translated(error, "the store") from error
            trouble: Exception = error
        except OSError as error:
            trouble = error
        except asyncio.CancelledError:
            self.interrupt()
            raise
        else:
            return reply[1].decode() if reply else None
        finally:
            self._reading = None
            self._begun.clear()
        await self._owner.heed(trouble, wire)
        if wire is not None:
            wire.abort()  # a read for which nobody waits any more would take the next word
        await asyncio.sleep(_PAUSE_S)
        return LOOK

    async def ask_behind(self, command: bytes) -> Any:
        """The reply to a packed command that the server runs as soon as the read under way has ended, by a word or
        without one, so without a trip in between; if none is, it waits until one has begun. None when it was
        interrupted before; then nothing was sent. Raises StoreUnavailable when it is unknown what became of the
        command."""
        if self._reading is None:
            before = self._interruptions
            await self._begun.wait()
            if self._interruptions != before:
                return None  # although the next read may have begun by now
        wire = self._reading
        if wire is None:
            return None
        try:
            (reply,) = await wire.ask(command, may_be_late=True)
        except (RedisError, OSError) as error:
            raise StoreUnavailable(f"the connection ended: {error}") from error
        if isinstance(reply, Exception):
            raise StoreUnavailable(f"the store did not run it: {reply}") from reply
        return reply

    def interrupt(self) -> None:
        """Ends the read under way; what stands behind it will not be run, unless it was already."""
        self._interruptions += 1
        if self._reading is not None:
            self._reading.abort()
        else:
            self._begun.set()
            self._begun.clear()

    async def close(self) -> None:
        """Closes its connection."""
        self.interrupt()
        await self._owner.close()
