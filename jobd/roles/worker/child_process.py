"""One worker child as its supervisor sees it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from jobd import clock
from jobd.roles.worker.control import Control

_LAST_WORDS_S = 1.0
"""how long the line to a dead child is read on, for what it said last"""

_NOT_FOR_CHILDREN = ("JOBD_TOKEN", "JOBD_HTTP__TOKEN")


class ChildProcess:
    """A process that runs jobs: started, watched, told what to do."""

    def __init__(
        self,
        order: Mapping[str, Any],
        *,
        on_joined: Callable[[ChildProcess, str], None],
        on_stuck: Callable[[ChildProcess, int], None],
        on_asked: Callable[[ChildProcess, str], None],
        on_idle: Callable[[ChildProcess], None] = lambda child: None,
    ) -> None:
        """`order` is all that the child needs to know; `on_joined` is told each id it joins the store under, `on_stuck`
        how many handlers heed no stop when those are too many, `on_asked` what people want of it, `on_idle` when it
        found no work for a while."""
        self.member: str | None = None
        """the id it joined the store under last; None before it was ready"""
        self.up_or_ended = asyncio.Event()
        self.ended = asyncio.Event()
        self.leaves = asyncio.Event()
        """set when it is to give way to a successor"""
        self.relieved = asyncio.Event()
        """set when it has been told to end, for its successor is there or it can wait for none"""
        self.dismissed = False
        """is nobody to take its place?"""
        self.cause = ""
        """how it ended, in words; or why it could not begin"""
        self.hopeless = False
        """could it not begin for a reason that the next one would meet too?"""
        self.ran = 0
        """jobs it had run when it was heard of last"""
        self.memory = 0
        """bytes that it had then"""
        self.left_jobs = False
        """did it die with jobs in hand?"""
        self.opening = ""
        """the service that it makes, or made last, before it takes jobs"""
        self.lived_s = 0.0
        """for how long it took jobs; known when it is dead"""
        self.pid = 0
        self._last_sign = clock.monotonic()
        self._up_since: float | None = None
        self._order = order
        self._on_joined = on_joined
        self._on_idle = on_idle
        self._on_stuck = on_stuck
        self._on_asked = on_asked
        self._done: dict[str, asyncio.Event] = {}
        self._said = ""

    async def start(self) -> None:
        """Starts the process. `up_or_ended` is set when it takes jobs or is dead, `ended` when it is dead. Raises
        OSError if it cannot be started."""
        ours, theirs = socket.socketpair()
        try:
            # a session of its own, so that a Ctrl-C in the terminal reaches the supervisor only
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *path_flags(),
                "-m",
                "jobd.roles.worker.child",
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                # the key to the API's door is no business of handlers
                env={name: value for name, value in os.environ.items() if name not in _NOT_FOR_CHILDREN},
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self.pid = self._process.pid
        self._last_sign = clock.monotonic()
        self._watching = asyncio.create_task(self._watch(), name=f"worker {self.pid} lives")
        self._control = await Control.over(ours)
        self._control.tell(self._order)
        self._listening = asyncio.create_task(self._listen(), name=f"worker {self.pid} speaks")

    @property
    def up(self) -> bool:
        """Does it take jobs, or has it done so before it died?"""
        return self.member is not None

    def silent_for(self, seconds: float) -> bool:
        """Has its loop shown no sign of life for so many seconds, or is it dead?"""
        return self.ended.is_set() or clock.monotonic() - self._last_sign >= seconds

    def told(self, what: str) -> bool:
        """Has it been told to take this step of the way down?"""
        return what in self._done

    async def do(self, what: str) -> None:
        """Tells it to take a step of the way down; returns when it has, or is dead."""
        done = self._done.setdefault(what, asyncio.Event())
        self._control.tell({"do": what})
        waits = {asyncio.ensure_future(done.wait()), asyncio.ensure_future(self.ended.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def kill(self, because: str, *, hopeless: bool = False) -> None:
        """Ends it hard; it is `hopeless` if the next one would do no better."""
        if self.pid and not self.ended.is_set():
            self._said, self.hopeless = because, hopeless
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)

    async def close(self) -> None:
        """Waits until it is dead, hears what it said last, and lets go of the line to it."""
        await self._watching
        # a child of its own may have inherited the line, so that its end does not come
        await asyncio.wait({self._listening}, timeout=_LAST_WORDS_S)
        self._listening.cancel()
        self.cause = self._said or self.cause
        await self._control.close()

    async def _listen(self) -> None:
        while (message := await self._control.hear()) is not None:
            self._last_sign = clock.monotonic()
            match message["say"]:
                case "opening":
                    self.opening = message["what"]
                case "ready":
                    self.member = message["member"]
                    self._up_since = self._up_since or self._last_sign
                    self._on_joined(self, message["member"])
                    self.up_or_ended.set()
                case "failed":
                    self._said, self.hopeless = message["why"], not message["passes"]
                case "idle":
                    self.ran = message["ran"]
                    self._on_idle(self)
                case "tick":
                    self.ran, self.memory = message["ran"], message["memory"]
                case "asked":
                    self._on_asked(self, message["what"])
                case "stuck":
                    self._on_stuck(self, message["handlers"])
                case "done":
                    self._done.setdefault(message["what"], asyncio.Event()).set()

    async def _watch(self) -> None:
        code = await self._process.wait()
        self.cause = how_it_ended(code)
        self.lived_s = 0.0 if self._up_since is None else clock.monotonic() - self._up_since
        self.ended.set()
        self.up_or_ended.set()


def path_flags() -> list[str]:
    """For Python, which with `-m` looks for modules in the working directory first: a child does so only if we do."""
    return [] if sys.path and sys.path[0] in ("", os.getcwd()) else ["-P"]  # noqa: PTH109  as it stands in sys.path


def how_it_ended(code: int) -> str:
    """The exit code of a process, in words."""
    if code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"exited with code {code}"
