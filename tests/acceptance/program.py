"""One `jobd run`, as users start it: a process that tests watch, signal and kill by its id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.acceptance.processes import descendants, kill, lives, words_of

PATIENCE_S = 120.0
"""more than anything here takes, on a machine with other work to do"""


class Program:
    """A jobd with these roles and settings. Use as a context manager; at the end none of its processes is left."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        python: Path = Path(sys.executable),
        name: str = "jobd",
    ) -> None:
        """`folder` is its working directory, with its log; `environment` is what it finds beside the usual."""
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{name}.log"
        self.said: list[str] = []
        """its lines on standard output"""
        self._folder = folder
        self._command = [str(python), "-m", "jobd", "run", *arguments]
        self._environment = {**plain_environment(), **(environment or {})}
        self._process: subprocess.Popen[str] | None = None
        self._up = threading.Event()
        self._known: set[int] = set()

    def __enter__(self) -> Self:
        self.start()
        self.wait_up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.log.read_text())
        self.kill_all()

    def start(self) -> None:
        """Starts it, in a process group of its own; returns at once."""
        self._up, self.said = threading.Event(), []
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self._folder,
                env=self._environment,
                process_group=0,
                text=True,
            )
        threading.Thread(target=_listen, args=[self._process, self.said, self._up], daemon=True).start()

    def wait_up(self) -> None:
        """Waits until it says that it is up."""
        if not self._up.wait(PATIENCE_S) or not self.alive:
            raise AssertionError(f"{self._command} did not come up: {self.log.read_text()[-4_000:]}")
        self._known |= set(descendants(self.pid))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def line(self, word: str) -> str:
        """What it said behind this word when it came up."""
        return next(line for line in self.said if line.split()[:1] == [word]).strip().removeprefix(word).strip()

    def workers(self) -> list[int]:
        """Its worker children."""
        return self._descendants("jobd.roles.worker.child")

    def server(self) -> int:
        """Its embedded server."""
        (pid,) = self._descendants("valkey-server")
        return pid

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the process that was started, and to no other."""
        os.kill(self.pid, number)

    def press_ctrl_c(self) -> None:
        """What a terminal does: the signal goes to the whole process group."""
        os.killpg(self.pid, signal.SIGINT)

    def wait_ended(self, patience_s: float = PATIENCE_S) -> int:
        """Waits for its end; the exit code."""
        assert self._process is not None
        return self._process.wait(patience_s)

    def kill(self) -> None:
        """kill -9 of the process that was started, and of no other."""
        self._known |= set(descendants(self.pid))
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def kill_all(self) -> None:
        """kill -9 of all its processes, at one moment as far as that goes."""
        if self._process is None:
            return
        if self.alive:
            self._known |= set(descendants(self.pid))
            self._process.kill()
        kill(self._known)
        self._process.wait()
        self._known.clear()

    def left(self) -> list[str]:
        """Its processes that live on after it."""
        return [words_of(pid) for pid in self._known if lives(pid)]

    def _descendants(self, word: str) -> list[int]:
        found = descendants(self.pid)
        self._known |= set(found)
        return [pid for pid in found if word in words_of(pid)]


def _listen(process: subprocess.Popen[str], said: list[str], up: threading.Event) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            said.append(line)
            if line.lstrip().startswith("Ctrl-C"):  # the last one of the welcome
                up.set()
    up.set()


def plain_environment(*, without: Sequence[str] = ("JOBD_", "REDIS_", "QUEUE_", "WORKER_")) -> dict[str, str]:
    """The environment of this process, without what would set up jobd."""
    return {name: value for name, value in os.environ.items() if not name.startswith(tuple(without))}
