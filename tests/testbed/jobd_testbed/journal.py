"""A journal that handlers write outside jobd, so that tests judge by what happened and not by what jobd says."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self


class Line(NamedTuple):
    """One line of a journal."""

    what: str
    key: str
    attempt: int
    fence: int
    pid: int
    at: float
    """seconds, by the monotonic clock of the machine"""


class Journal:
    """Appends lines; each is on disk before `write` returns."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def write(self, what: str, key: str, attempt: int, fence: int) -> None:
        """One line, whole: appending a short line is atomic."""
        line = f"{what} {key} {attempt} {fence} {os.getpid()} {time.monotonic():.6f}\n"
        os.write(self._descriptor, line.encode())
        os.fsync(self._descriptor)


def read(path: Path) -> list[Line]:
    """All lines of a journal, in order, without one that is being written."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text().split("\n")[:-1]:
        what, key, attempt, fence, pid, at = text.split()
        lines.append(Line(what, key, int(attempt), int(fence), int(pid), float(at)))
    return lines
