"""One worker child as its supervisor sees it."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from jobd import clock
from jobd.roles.worker.control import Control


class ChildProcess:
    """A process that runs jobs: started, watched, told what to do."""

    def __init__(self, order: Mapping[str, Any], *, on_joined: Callable[[ChildProcess, str], None]) -> None:
        """`order` is all that the child needs to know; `on_joined` is told each id it joins the store under."""
        self.member: str | None = None
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()
        self.cause = ""
        """how it ended, in words"""
        self.idle = False
        self.last_tick = clock.monotonic()
        self.pid = 0
        self._order = order
        self._on_joined = on_joined
        self._done: dict[str, asyncio.Event] = {}
        self._killed_because = ""
        self._asked_to_stop = False

    async def start(self) -> None:
        """Starts the process; `ready` is set when it takes jobs, `ended` when it is dead."""
        ours, theirs = socket.socketpair()
        # a session of its own, so that a Ctrl-C in the terminal reaches the supervisor only
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "jobd.roles.worker.child",
            str(theirs.fileno()),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self.pid = self._process.pid
        self._control = await Control.over(ours)
        self._control.tell(self._order)
        self._listening = asyncio.create_task(self._listen(), name=f"worker {self.pid} speaks")
        self._watching = asyncio.create_task(self._watch(), name=f"worker {self.pid} lives")

    def ticked_within(self, seconds: float) -> bool:
        """Has its loop shown a sign of life within so many seconds?"""
        return not self.ended.is_set() and clock.monotonic() - self.last_tick < seconds

    async def do(self, what: str) -> None:
        """Tells it to take a step of the way down; returns when it has, or is dead."""
        done = self._done.setdefault(what, asyncio.Event())
        self._asked_to_stop = self._asked_to_stop or what == "stop"
        self._control.tell({"do": what})
        waits = {asyncio.ensure_future(done.wait()), asyncio.ensure_future(self.ended.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def kill(self, because: str) -> None:
        """Ends it hard."""
        if not self.ended.is_set():
            self._killed_because = because
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)

    async def close(self) -> None:
        """Waits until it is dead, and lets go of the line to it."""
        await self.ended.wait()
        self._listening.cancel()
        with suppress(asyncio.CancelledError):
            await self._listening
        self._control.close()

    @property
    def ended_well(self) -> bool:
        """Did it end because it was told to, or had nothing to do?"""
        return self._process.returncode == 0 and (self._asked_to_stop or self.idle)

    async def _listen(self) -> None:
        while (message := await self._control.hear()) is not None:
            match message["say"]:
                case "ready":
                    self.member = message["member"]
                    self._on_joined(self, message["member"])
                    self.last_tick = clock.monotonic()
                    self.ready.set()
                case "tick":
                    self.last_tick = clock.monotonic()
                    self.idle = self.idle and message["busy"] == 0
                case "idle":
                    self.idle = True
                case "done":
                    self._done.setdefault(message["what"], asyncio.Event()).set()

    async def _watch(self) -> None:
        code = await self._process.wait()
        self.cause = self._killed_because or _words(code)
        self.ended.set()


def _words(code: int) -> str:
    if code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"exited with code {code}"
