"""Hears when jobs end, for those who wait for results."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from jobd import clock
from jobd.domain.ids import new_id
from jobd.domain.job import Job
from jobd.domain.state import ENDED
from jobd.errors import ClientClosed, ResultTimeout
from jobd.store.inbox import LOOK
from jobd.store.shard import Shard
from jobd.store.store import Store, not_found

_LOOK_AGAIN_S = 5.0
"""a word that was lost costs this long at most"""


class Endings:
    """One listener for each shard, begun with the first wait."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._name = f"client-{new_id(clock.now_ms(), clock.random_bits)}"
        self._listeners: dict[int, asyncio.Task[None]] = {}
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._closed = False

    async def wait(self, job_id: str, timeout: float | None) -> Job:
        """The job, once it has ended; waits up to `timeout` seconds (None: as long as it takes). Raises ResultTimeout,
        JobNotFound, StoreError, and ClientClosed after `close`, also to who waits then."""
        heard = asyncio.Event()
        events = self._waiting.setdefault(job_id, set())
        events.add(heard)
        try:
            async with asyncio.timeout(timeout):
                return await self._wait(job_id, heard)
        except TimeoutError:
            raise ResultTimeout(
                f"job {job_id} has not ended within {timeout:g} s; it goes on, and `why` says what it waits for"
            ) from None
        finally:
            events.discard(heard)
            if not events:
                self._waiting.pop(job_id, None)

    async def close(self) -> None:
        """Ends the listeners, and the waiting of all."""
        self._closed = True
        for events in self._waiting.values():
            for event in events:
                event.set()
        for listener in self._listeners.values():
            # a cancellation that comes while redis-py sends may be lost (asyncio.wait_for of Python 3.11): ask again
            while not listener.done():
                listener.cancel()
                await asyncio.wait([listener], timeout=0.05)
            if not listener.cancelled():
                listener.exception()  # for asyncio, which wants it looked at; `wait` tells it
        self._listeners.clear()

    async def _wait(self, job_id: str, heard: asyncio.Event) -> Job:
        while True:
            job = await self._ended(job_id)
            if job is not None:
                return job
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_S):
                    await heard.wait()
            heard.clear()

    async def _ended(self, job_id: str) -> Job | None:
        if self._closed:
            raise ClientClosed("this client has been closed; make a new one")
        for shard in self._store.shards_of(job_id):
            self._listen(shard)
            word = await shard.watch(job_id, self._name)
            if word == "watching":
                return None
            if word == "ended":
                job = await self._store.get(job_id)
                return job if job.status in ENDED else None  # somebody may have retried it in between
        if await self._store.has_grown():
            return await self._ended(job_id)
        raise not_found(job_id)

    def _listen(self, shard: Shard) -> None:
        listener = self._listeners.get(shard.number)
        if listener is not None and listener.done():
            listener.result()  # a listener that the store refused says so to whoever waits next
        if listener is None or listener.done():
            self._listeners[shard.number] = asyncio.create_task(self._hear(shard), name=f"{self._name} hears endings")

    async def _hear(self, shard: Shard) -> None:
        inbox = self._store.inbox(self._name, shard)
        try:
            while True:
                word = await inbox.hear()
                if word == LOOK:
                    told = [event for events in self._waiting.values() for event in events]
                elif word and word.startswith("ended "):
                    told = list(self._waiting.get(word.removeprefix("ended "), ()))
                else:
                    continue
                for event in told:
                    event.set()
        finally:
            await inbox.close()
