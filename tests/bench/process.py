"""The programs that a measurement starts. At the end none of them is left, and every wait has a limit."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.acceptance.processes import descendants, kill

END_S = 10.0
"""how long a program may take to end when it is asked to"""


class BenchError(Exception):
    """A measurement could not be made; the message says of what and why."""


class Process:
    """A program with its children. Use as a context manager."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """What it writes to standard error goes to `log`; its working directory is where that is."""
        self.command = list(command)
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self._log.parent,
                env=dict(self._environment),
                process_group=0,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        process = self._running
        assert process.stdin is not None
        assert process.stdout is not None
        known = descendants(process.pid)
        process.stdin.close()
        process.kill()
        kill(known)
        process.wait(END_S)
        process.stdout.close()

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def alive(self) -> bool:
        return self._running.poll() is None

    def line(self, limit_s: float) -> bytes:
        """Its next line on standard output. Raises BenchError if none comes within `limit_s` seconds."""
        stdout = self._running.stdout
        assert stdout is not None
        end, line = time.monotonic() + limit_s, b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([stdout], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise BenchError(f"{self.name} said nothing for {limit_s:g} s{self.last_words()}")
            byte = os.read(stdout.fileno(), 1)
            if not byte:
                raise BenchError(f"{self.name} ended{self.last_words()}")
            line += byte
        return line

    def answer(self, limit_s: float) -> dict[str, Any]:
        """Its next line, a JSON object."""
        found: dict[str, Any] = json.loads(self.line(limit_s))
        return found

    @property
    def name(self) -> str:
        """What was started, shortly."""
        return " ".join(Path(word).name if word.startswith("/") else word for word in self.command)

    def last_words(self) -> str:
        """The end of its log, for messages."""
        text = self._log.read_text(errors="replace").strip()[-2_000:]
        return f"; its log ends in:\n{text}" if text else "; its log is empty"

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process
