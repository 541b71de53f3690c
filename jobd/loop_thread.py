"""An event loop in a thread of its own, for code that is not async."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar, TypeVarTuple, Unpack

from anyio.from_thread import BlockingPortal, start_blocking_portal

from jobd.errors import ClientClosed

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Runner(Protocol):
    """Runs an async function to its end and returns what it returns; `anyio.from_thread.run` is one."""

    def __call__(self, function: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts) -> T: ...


class LoopThread:
    """Starts with the first call, ends with `close`, and does not keep the process alive. Any thread may call."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._opening: AbstractContextManager[BlockingPortal] | None = None
        self._portal: BlockingPortal | None = None
        self._closed = False

    def run(self, function: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts) -> T:
        """What `function(*args)` returns, awaited in the loop. If the caller is interrupted, it is cancelled. Raises
        what it raises, and ClientClosed after `close` or in a child process."""
        future = self._open().start_task_soon(function, *args)
        try:
            return future.result()
        except BaseException:
            if self._closed and future.cancelled():
                raise self._refusal() from None
            future.cancel()
            raise

    def close(self, farewell: Callable[[], Awaitable[None]]) -> None:
        """Awaits `farewell` in the loop, then ends the loop and the thread; calls that still wait there are cancelled.
        Twice is harmless. In a child process it only forgets."""
        if self._pid not in (None, os.getpid()):
            self._closed = True
            return
        with self._lock:
            self._closed = True
            portal, self._portal = self._portal, None
            if portal is None or self._opening is None:
                return
            try:
                portal.call(farewell)
            finally:
                portal.call(portal.stop, True)
                self._opening.__exit__(None, None, None)

    def _open(self) -> BlockingPortal:
        # a lock that another thread held at a fork stays locked in the child for ever: look before touching it
        if self._pid is None:
            self._pid = os.getpid()
        if self._closed or self._pid != os.getpid():
            raise self._refusal()
        with self._lock:
            if self._closed:
                raise self._refusal()
            if self._portal is None:
                options = {"use_uvloop": sys.platform != "win32"}
                self._opening = start_blocking_portal("asyncio", options, name=self._name)
                self._portal = self._opening.__enter__()
            return self._portal

    def _refusal(self) -> ClientClosed:
        if self._pid not in (None, os.getpid()):
            return ClientClosed(
                f"this client was opened by process {self._pid}, and its connections cannot be shared with process "
                f"{os.getpid()}, which was forked from it; make a client of its own in each process, after the fork"
            )
        return ClientClosed("this client has been closed; make a new one")
