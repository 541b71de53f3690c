"""A role's standing in the store: an id, a lease, and an inbox in which scripts leave words for it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import orjson
from anyio import CancelScope

from jobd import clock, log
from jobd.domain.ids import new_id
from jobd.errors import StoreError
from jobd.store.inbox import Inbox
from jobd.store.lease_keeper import LeaseKeeper
from jobd.store.shard import Shard
from jobd.store.store import Store

LEFT = "it left"
"""the cause of its end that a member gives itself"""
_LEAVE_PATIENCE_S = 2.0
_ROUNDS = 2
"""of the loop before it listens again: what came together with a word begins first (Inbox.ask_behind)"""


class Membership:
    """Joins under a new id, keeps the lease, listens, and joins again under another id if the lease was lost."""

    def __init__(
        self,
        store: Store,
        number: int,
        *,
        kind: str,
        lines: Sequence[str],
        lease_ms: int,
        keeper: LeaseKeeper | None = None,
        lives: Callable[[], bool] = lambda: True,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """`keeper` renews the lease from this process; None if a parent does. `lives` says whether it should."""
        self.shard: Shard = store.shards[number]
        self.id = ""
        self._store = store
        self._number = number
        self._kind = kind
        self._lines = tuple(lines)
        self.lease_ms = lease_ms
        self._keeper = keeper
        self._lives = lives
        self._about = dict(about or {})
        self._ear: CancelScope | None = None
        self.inbox: Inbox | None = None
        """what it listens to at the moment"""
        self._log = log.get(kind)

    async def join(self, on_lost: Callable[[], None] = lambda: None) -> str:
        """A new id, joined. `on_lost` is called, in the loop's thread, when its lease is found to have run out."""
        loop = asyncio.get_running_loop()
        host, random = socket.gethostname()[:32], new_id(clock.now_ms(), clock.random_bits)[-6:].lower()
        self.id = f"{self._kind}-{host}-{os.getpid()}-{random}"
        if self._ear is not None:
            self._ear.cancel()
        await self.shard.join(self.id, lease_ms=self.lease_ms, lines=self._lines, about=self._facts())
        if self._keeper is not None:

            def tell() -> None:
                loop.call_soon_threadsafe(on_lost)

            self._keeper.add(self._number, self.id, self._lives, tell)
        return self.id

    async def tell(self, **facts: Any) -> None:
        """Says more of itself to those who list members, under this id and later ones. Raises StoreError."""
        self._about.update(facts)
        await self.shard.describe(self.id, self._facts())

    async def leave(self) -> None:
        """Leaves. What it still holds is taken over by a monitor at once."""
        if self._keeper is not None:
            self._keeper.remove(self._number, self.id)
        try:
            left = await self.shard.leave(self.id, LEFT, patience_s=_LEAVE_PATIENCE_S)
        except StoreError as error:
            # its lease ends by itself, and a monitor finds what it held then
            self._log.warning("left without telling the store", member=self.id, error=str(error))
            return
        if left:
            self._log.warning("left with jobs in hand", member=self.id, jobs=left)

    def _facts(self) -> bytes:
        return orjson.dumps({"kind": self._kind, "host": socket.gethostname(), "pid": os.getpid(), **self._about})

    async def listen(self, hear: Callable[[str | None], None]) -> NoReturn:
        """Calls `hear` with each word, and with None when it is time to look without having been told."""
        while True:
            inbox = self.inbox = self._store.inbox(self.id, self.shard)
            try:
                with CancelScope() as self._ear:  # until it has another id
                    while True:
                        word = await inbox.hear()
                        hear(word)
                        if word is not None:
                            for _ in range(_ROUNDS):
                                await asyncio.sleep(0)
            finally:
                self.inbox = None
                await inbox.close()
