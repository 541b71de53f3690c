"""Threads for sync handlers: a fixed number, and never a queue that nobody sees.

Our own, as a ThreadPoolExecutor takes longer for each call than many a handler, and wakes the loop for each end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any

NAME = "jobd handler"
"""what the names of threads begin with"""
Ended = tuple[Any, BaseException | None]
"""what a call returned, or what it raised"""


_Call = tuple[Context, Callable[[], Any], asyncio.Future[Ended]]


class Threads:
    """Runs up to `size` calls at a time. Belongs to one event loop."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._free = asyncio.Semaphore(size)
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._under_way = 0
        self._begun: list[_Call] = []
        """calls of this round of the loop: handed out together they wake one thread, which runs all that do not wait;
        one by one each would wake another, and the loop would have to share the interpreter with it meanwhile"""
        self._ended: deque[tuple[asyncio.Future[Ended], Ended]] = deque()
        self._will_collect = False

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
        self._under_way += 1
        if self._under_way > len(self._threads):
            thread = Thread(target=self._live, name=f"{NAME}_{len(self._threads)}")
            self._threads.append(thread)
            thread.start()
        if not self._begun:
            self._loop.call_soon(self._hand_out)
        self._begun.append((copy_context(), call, ended))
        return ended

    def _hand_out(self) -> None:
        for call in self._begun:
            self._calls.put(call)
        self._begun.clear()

    def close(self) -> None:
        """Lets go of the threads without waiting for them."""
        self._hand_out()
        for _ in self._threads:
            self._calls.put(None)

    def _live(self) -> None:
        while (begun := self._calls.get()) is not None:
            context, call, ended = begun
            result: Ended
            try:
                result = context.run(call), None
            except BaseException as error:  # noqa: BLE001  a handler may raise anything
                result = None, error
            self._ended.append((ended, result))
            del begun, context, call, ended, result  # nothing of a job stays here until the next one comes
            if not self._will_collect:  # who ends while the loop is still to come is collected with the others
                self._will_collect = True
                try:
                    self._loop.call_soon_threadsafe(self._collect)
                except RuntimeError:
                    return  # the loop has ended: nobody waits for this

    def _collect(self) -> None:
        self._will_collect = False
        while self._ended:
            ended, result = self._ended.popleft()
            self._under_way -= 1
            self._free.release()
            if not ended.done():
                ended.set_result(result)
