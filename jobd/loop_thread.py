"""An event loop in a thread of its own, for code that is not async."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from typing import Any, Protocol, TypeVar, TypeVarTuple, Unpack, cast

from anyio.from_thread import BlockingPortal, start_blocking_portal

from jobd.errors import ClientClosed

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Runner(Protocol):
    """Runs an async function to its end and returns what it returns; `anyio.from_thread.run` is one."""

    def __call__(self, function: Callable[[Unpack[Ts]], Coroutine[Any, Any, T]], /, *args: *Ts) -> T: ...


class LoopThread:
    """Starts with the first call, ends with `close`, and does not keep the process alive. Any thread may call."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._life = ExitStack()
        self._portal: BlockingPortal | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls: set[asyncio.Task[Any]] = set()
        self._closed = False

    def run(self, function: Callable[[Unpack[Ts]], Coroutine[Any, Any, T]], /, *args: *Ts) -> T:
        """What `function(*args)` returns, awaited in the loop. If the caller is interrupted, it is cancelled. Raises
        what it raises, and ClientClosed after `close` or in a child process."""
        # a lock that another thread held at a fork stays locked in the child for ever: look before touching it
        self._pid = self._pid or os.getpid()
        if self._closed or self._pid != os.getpid():
            raise self._refusal()
        with self._lock:
            if self._closed:
                raise self._refusal()
            future = asyncio.run_coroutine_threadsafe(self._call(function, *args), self._loop or self._start())
        try:
            return future.result()
        except BaseException:
            if self._closed and future.cancelled():
                raise self._refusal() from None
            future.cancel()
            raise

    def close(self, farewell: Callable[[], Awaitable[None]]) -> None:
        """Cancels the calls that still wait, awaits `farewell` in the loop, then ends the loop and the thread. Twice is
        harmless. In a child process it only forgets."""
        if self._pid not in (None, os.getpid()):
            self._closed = True
            return
        with self._lock:
            self._closed = True
            portal, self._portal = self._portal, None
        if portal is not None:
            with self._life:
                portal.call(self._end, farewell)

    def _start(self) -> asyncio.AbstractEventLoop:
        portal = start_blocking_portal("asyncio", {"use_uvloop": sys.platform != "win32"}, name=self._name)
        self._portal = self._life.enter_context(portal)
        self._loop = self._portal.call(asyncio.get_running_loop)
        return self._loop

    async def _call(self, function: Callable[[Unpack[Ts]], Coroutine[Any, Any, T]], *args: *Ts) -> T:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._calls.add(task)
        try:
            return await function(*args)
        finally:
            self._calls.discard(task)

    async def _end(self, farewell: Callable[[], Awaitable[None]]) -> None:
        # a cancellation that comes while redis-py sends may be lost (asyncio.wait_for of Python 3.11): ask again
        while self._calls:
            for call in self._calls:
                call.cancel()
            await asyncio.wait(self._calls, timeout=0.05)
        await farewell()

    def _refusal(self) -> ClientClosed:
        if self._pid not in (None, os.getpid()):
            return ClientClosed(
                f"this client was opened by process {self._pid}, and its connections cannot be shared with process "
                f"{os.getpid()}, which was forked from it; make a client of its own in each process, after the fork"
            )
        return ClientClosed("this client has been closed; make a new one")
