"""The programs of a run: they are started, killed, stopped and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.acceptance.processes import descendants
from tests.acceptance.program import Program
from tests.chaos.history import NAME
from tests.chaos.proxy import Proxy

SKEWED = Path(__file__).parent / "skewed"


class Player(ABC):
    """One program, and the line between it and the server."""

    def __init__(self, name: str, proxy: Proxy | None) -> None:
        """`name` is its role and a number; without a `proxy` its line is out of our hands."""
        self.name = name
        self.role = name.partition("-")[0]
        self.proxy = proxy
        self.hit = asyncio.Lock()
        """held while something is done to it"""

    @abstractmethod
    def start(self) -> None:
        """Starts it, and waits for nothing."""

    @abstractmethod
    def kill_all(self) -> None:
        """kill -9 of all its processes."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """Its first process."""

    @property
    @abstractmethod
    def alive(self) -> bool: ...

    def tree(self) -> list[int]:
        """All its processes."""
        return [self.pid, *descendants(self.pid)]


class RolePlayer(Player):
    """A `jobd run` with one role."""

    def __init__(
        self, name: str, proxy: Proxy | None, folder: Path, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        super().__init__(name, proxy)
        self._folder = folder
        self._arguments = ["--role", self.role, *arguments]
        self._environment = {**environment, NAME: name}
        self.program = self._program(self._environment)

    def _program(self, environment: Mapping[str, str]) -> Program:
        return Program(self._folder, *self._arguments, environment=environment, name=self.name)

    def start(self) -> None:
        self.program.start()

    def kill_all(self) -> None:
        self.program.kill_all()

    def skew(self, seconds: float) -> None:
        """It is killed, and its next life is on a host with a wrong clock."""
        self.kill_all()
        path = os.pathsep.join([str(SKEWED), self._environment["PYTHONPATH"]])
        self.program = self._program({**self._environment, "PYTHONPATH": path, "CHAOS_SKEW_S": str(seconds)})

    def children(self) -> list[int]:
        """Its worker children."""
        return self.program.workers()

    @property
    def pid(self) -> int:
        return self.program.pid

    @property
    def alive(self) -> bool:
        return self.program.alive


class ProducerPlayer(Player):
    """A producer; each of its lives asks for jobs of its own."""

    def __init__(
        self, name: str, proxy: Proxy | None, arguments: Sequence[str], rate: float, environment: Mapping[str, str]
    ) -> None:
        """`arguments` are the door, the URL and the seed."""
        super().__init__(name, proxy)
        self._arguments = arguments
        self._rate = rate
        self._environment = {**environment, NAME: name}
        self._lives = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._lives += 1
        life = [*self._arguments, str(self._lives), str(self._rate)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.load", *life],
            stdin=subprocess.PIPE,
            env=self._environment,
            process_group=0,
        )

    def kill_all(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()

    def ask_to_end(self) -> None:
        """It makes no new wish, and ends when it has an answer to all."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """A signal to each; those that are gone are gone."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
