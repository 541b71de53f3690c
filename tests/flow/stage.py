"""A server, and worker processes on it, each of which is a whole jobd without the API."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.acceptance.program import Program
from tests.real_server import RealServer

ROLES = [word for role in ("worker", "scheduler", "monitor") for word in ("--role", role)]


class Stage:
    """Use as a context manager."""

    def __init__(self, folder: Path, server_binary: Path, processes: int) -> None:
        self._folder = folder
        self._server = RealServer(server_binary)
        self._count = processes
        self._stack = ExitStack()
        self._programs: list[Program] = []
        self._started = 0
        self.kills: list[float] = []
        """when processes were killed, in seconds since 1970"""

    def __enter__(self) -> Self:
        with self._stack:
            self._stack.enter_context(self._server)
            self._stack.callback(self._end)
            self._programs = [self._start() for _ in range(self._count)]
            for program in self._programs:
                program.wait_up()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        return self._server.url

    def kill_one(self, dice: random.Random) -> None:
        """kill -9 of all of one process, and another one in its place."""
        at = dice.randrange(self._count)
        self._programs[at].kill_all()
        self.kills.append(time.time())
        self._programs[at] = self._start()

    def _start(self) -> Program:
        self._started += 1
        program = Program(
            self._folder,
            *ROLES,
            "--redis-url",
            self.url,
            "--processes",
            "0",
            environment={"JOBD_LOG__FORMAT": "json"},
            name=f"jobd-{self._started}",
        )
        program.start()
        return program

    def _end(self) -> None:
        for program in self._programs:
            program.kill_all()
