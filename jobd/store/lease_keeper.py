"""Renews the leases of a process and its children, from a thread of its own.

A thread, because no handler that blocks the event loop may cost its neighbours their lease; and one that renews only
for those who show that they live, so that what hangs for good is taken over in the end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import NoReturn

from jobd import clock, log
from jobd.errors import StoreUnavailable
from jobd.store.shard import Shard
from jobd.store.store import Store

Lives = Callable[[], bool]
Lost = Callable[[], None]
Suspects = Callable[[int], None]
Forgotten = Callable[[], None]


@dataclass(slots=True)
class _Member:
    lives: Lives
    lost: Lost
    renewed_at: float = -inf
    """by the monotonic clock: from then on it had a whole lease"""
    missed: bool = False
    """is its lease gone although it cannot have run out? Then it has just left, or the store has forgotten it"""


class LeaseKeeper:
    """Renews every third of a lease. Its callbacks run in its thread and must return at once."""

    def __init__(
        self,
        url: str,
        prefix: str,
        shards: int,
        lease_ms: int,
        *,
        on_suspects: Suspects | None = None,
        on_forgotten: Forgotten = lambda: None,
    ) -> None:
        """`on_suspects` is told the number of a shard where suspects wait for a process of their own; `on_forgotten` is
        called when the store is found to have forgotten members that it knew."""
        self._url = url
        self._prefix = prefix
        self._shards = shards
        self._lease_ms = lease_ms
        self._interval_s = lease_ms / 3_000
        self._on_suspects = on_suspects
        self._on_forgotten = on_forgotten
        self._members: dict[tuple[int, str], _Member] = {}
        self._mutex = threading.Lock()
        self._thread: threading.Thread | None = None
        self._log = log.get("leases")

    def start(self) -> None:
        """Begins to renew."""
        self._loop, self._ended = asyncio.new_event_loop(), asyncio.Event()
        self._keeping: dict[int, asyncio.Task[NoReturn]] = {}
        self._thread = threading.Thread(target=self._live, name="jobd leases", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends; twice is harmless."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
            thread.join()

    def add(self, shard: int, member: str, lives: Lives, lost: Lost) -> None:
        """Renews for `member` while `lives()`; calls `lost()` once if its lease has run out all the same."""
        with self._mutex:
            self._members[shard, member] = _Member(lives, lost)
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._begin, shard)  # it may have come since

    def remove(self, shard: int, member: str) -> None:
        """Renews for `member` no more."""
        with self._mutex:
            self._members.pop((shard, member), None)

    def _live(self) -> None:
        try:
            self._loop.run_until_complete(self._keep())
        finally:
            self._loop.close()

    async def _keep(self) -> None:
        """Renews in all shards, each for itself, until told to end."""
        self._store = Store.at(self._url, prefix=self._prefix, shards=self._shards)
        for number in range(self._shards):
            self._begin(number)
        await self._ended.wait()
        for task in self._keeping.values():
            task.cancel()
        await asyncio.wait(self._keeping.values())
        await self._store.close()

    def _begin(self, number: int) -> None:
        if number not in self._keeping and not self._ended.is_set():
            self._keeping[number] = asyncio.create_task(self._keep_in(number))

    async def _keep_in(self, number: int) -> NoReturn:
        pause = self._interval_s
        while True:
            await asyncio.sleep(pause)
            try:
                if number >= len(self._store.shards):
                    await self._store.learn(fresh_s=0)
                await self._renew(self._store.shards[number])
                pause = self._interval_s
            except Exception as error:  # noqa: BLE001  all leases hang on this thread: it must not end by anything
                if not isinstance(error, StoreUnavailable):
                    self._log.error("leases could not be renewed", error=repr(error))
                # weather, most likely: the lease has more than a third left; ask again soon
                pause = min(1.0, self._interval_s / 4)

    async def _renew(self, shard: Shard) -> None:
        number = shard.number
        with self._mutex:
            mine = {name: member for (at, name), member in self._members.items() if at == number}
            missed = [name for name, member in mine.items() if member.missed]
            for name in missed:  # whoever left has been removed since
                del mine[name], self._members[number, name]
        if missed:
            self._log.error(
                "the store has forgotten who works on it: its data were wiped, or an older copy of them came back; all "
                "join again, and go on with what is there now",
                shard=number,
                members=len(missed),
            )
            self._on_forgotten()
        living = {name: member for name, member in mine.items() if member.lives()}
        if not living:
            return
        asked_at = clock.monotonic()
        go_on, suspects = await shard.renew(list(living), self._lease_ms, patience_s=self._interval_s)
        answered_at = clock.monotonic()
        for name, goes_on in zip(living, go_on, strict=True):
            member = living[name]
            if goes_on:
                member.renewed_at = asked_at
                continue
            member.lost()
            member.missed = answered_at - member.renewed_at < self._lease_ms / 1_000
            if not member.missed:
                self.remove(number, name)
        if suspects and self._on_suspects is not None:
            self._on_suspects(number)
