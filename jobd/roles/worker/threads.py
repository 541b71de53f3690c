"""Threads for sync handlers: a fixed number, and never a queue that nobody sees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

NAME = "jobd handler"
"""what the names of threads begin with"""
Ended = tuple[Any, BaseException | None]
"""what a call returned, or what it raised"""


class Threads:
    """Runs up to `size` calls at a time. Belongs to one event loop."""

    def __init__(self, size: int) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=NAME)
        self._free = asyncio.Semaphore(size)
        self._loop = asyncio.get_running_loop()

    @property
    def all_taken(self) -> bool:
        """Must the next call wait for a thread?"""
        return self._free.locked()

    async def wait_free(self, patience_s: float) -> bool:
        """Takes a thread, for the `start` that follows. False if none was free within `patience_s` seconds."""
        if not self._free.locked():
            return await self._free.acquire()
        try:
            async with asyncio.timeout(patience_s):
                return await self._free.acquire()
        except TimeoutError:
            return False

    def start(self, call: Callable[[], Any]) -> asyncio.Future[Ended]:
        """Begins a call in the thread that was taken. The future never fails: also an error is something to hand over,
        and some errors (StopIteration, SystemExit) cannot pass through a future or would end the loop."""
        ended: asyncio.Future[Ended] = self._loop.create_future()

        def finish(result: Ended) -> None:
            self._free.release()
            if not ended.done():
                ended.set_result(result)

        def run() -> None:
            result: Ended
            try:
                result = call(), None
            except BaseException as error:  # noqa: BLE001  a handler may raise anything
                result = None, error
            self._loop.call_soon_threadsafe(finish, result)

        self._pool.submit(copy_context().run, run)
        return ended

    def close(self) -> None:
        """Lets go of the threads without waiting for them."""
        self._pool.shutdown(wait=False, cancel_futures=True)
