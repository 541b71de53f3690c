"""All of jobd in one of the three shapes in which it must work."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from jobd.store.datadir import running_url
from tests.acceptance.program import Program
from tests.servers.tcp_server import TcpServer


class Shape(StrEnum):
    """What runs in which process."""

    ONE_PROCESS = "one-process"
    """all roles, the slots too, in one process, with an embedded server"""
    WORKER_CHILD = "worker-child"
    """the default: all roles in one process, the slots in a child, with an embedded server"""
    PROCESS_PER_ROLE = "process-per-role"
    """each role in a process of its own, over TCP"""


def first(*shapes: Shape) -> pytest.MarkDecorator:
    """Runs a test in these shapes in the short suite, and in the others in the long one."""
    others = [pytest.param(shape, marks=pytest.mark.long) for shape in Shape if shape not in shapes]
    return pytest.mark.parametrize("shape", [*shapes, *others], ids=str)


class Fleet:
    """A jobd, or several, on a store of their own. Use as a context manager."""

    def __init__(
        self,
        shape: Shape,
        folder: Path,
        server_binary: Path,
        *worker_arguments: str,
        environment: Mapping[str, str] | None = None,
        api: bool = False,
    ) -> None:
        """`worker_arguments` are for the program with the worker role. Without `api` that role is left out."""
        self.shape = shape
        self.url = ""
        self._folder = folder
        self._environment = {"JOBD_LOG__FORMAT": "json", **(environment or {})}
        self._stack = ExitStack()
        self._binary = server_binary
        self._arguments = worker_arguments
        self._roles = ["monitor", "scheduler", "worker", *(["api"] if api else [])]
        self.programs: list[Program] = []

    def __enter__(self) -> Self:
        with self._stack:  # what has started is ended if a later part does not start
            self._start()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.log())
        self._stack.close()

    @property
    def worker(self) -> Program:
        """The program with the worker role."""
        return next(program for program in self.programs if program.log.stem in ("jobd", "worker"))

    @property
    def api(self) -> str:
        """Where the API is."""
        program = next(program for program in self.programs if program.log.stem in ("jobd", "api"))
        return program.line("API").removesuffix("/api/v1/jobs")

    def another_worker(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Program:
        """One more worker on the same store, up."""
        return self._add("--role", "worker", *arguments, name=f"worker-{len(self.programs)}", environment=environment)

    def log(self) -> str:
        """What all of them have logged."""
        return "".join(program.log.read_text() for program in self.programs)

    def _start(self) -> None:
        if self.shape is Shape.PROCESS_PER_ROLE:
            server = self._stack.enter_context(TcpServer(self._binary))
            self.url = f"redis://{server.place}/0"
            for role in self._roles:
                self._add("--role", role, *(self._arguments if role == "worker" else ()), name=role, wait=False)
            for program in self.programs:
                program.wait_up()
            return
        roles = [word for role in self._roles for word in ("--role", role)]
        processes = ["--processes", "0"] if self.shape is Shape.ONE_PROCESS else []
        self._add(*roles, *processes, *self._arguments, name="jobd")
        self.url = running_url(self._folder / "data") or ""
        assert self.url

    def _add(
        self, *arguments: str, name: str, environment: Mapping[str, str] | None = None, wait: bool = True
    ) -> Program:
        place = (
            ["--redis-url", self.url]
            if self.shape is Shape.PROCESS_PER_ROLE
            else ["--data-dir", str(self._folder / "data")]
        )
        program = Program(
            self._folder,
            *arguments,
            "--port",
            "0",
            *place,
            environment={**self._environment, **(environment or {})},
            name=name,
        )
        self._stack.callback(program.kill_all)
        self.programs.append(program)
        program.start()
        if wait:
            program.wait_up()
        return program
