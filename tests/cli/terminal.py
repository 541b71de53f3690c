"""A command on a terminal of its own, as a person has it before them."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self


class Terminal:
    """Runs `jobd …` with a pseudo-terminal for its standard streams. Use as a context manager."""

    def __init__(self, *arguments: str, environment: Mapping[str, str], columns: int = 100) -> None:
        self.shown = ""
        """what has appeared so far"""
        pid, self._terminal = pty.fork()
        if pid == 0:
            os.execve(
                sys.executable,
                [sys.executable, "-m", "jobd", *arguments],
                {**os.environ, "TERM": "xterm", **environment},
            )
        self._pid = pid
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._terminal)

    def read_until(self, text: str) -> None:
        """Reads until the text has appeared."""
        while text not in self.shown:
            assert self._read(), f"it ended without {text!r}: {self.shown!r}"

    def press(self, keys: bytes) -> None:
        """Types."""
        os.write(self._terminal, keys)

    def end(self) -> int:
        """Reads the rest and returns the exit code."""
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _read(self) -> bool:
        piece = b""
        with suppress(OSError):  # what Linux says when the other side has gone
            piece = os.read(self._terminal, 65_536)
        self.shown += piece.decode().replace("\r\n", "\n")
        return piece != b""
