"""What the embedded server says: one file beside the data, and its last words when it has ended."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO, Final

LARGEST: Final = 10 * 1024 * 1024
"""bytes; a larger file is put aside at the next start"""

_READ_BACK: Final = 64 * 1024
_STAMP: Final = re.compile(r"\d+:(?:signal-handler \(\d+\)|[A-Z] .*?\d\d:\d\d:\d\d\.\d+ ([.*#-])) ")
_DAMAGE: Final = re.compile(r"reading the append only file ([^\s:]+)|FATAL AOF MANIFEST FILE ERROR")


class ServerLog:
    """The log file of a server, from the start of the present run on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin = 0

    def open(self) -> BinaryIO:
        """Begin a run: the file, to be appended to. One that has grown large is put aside first, as `….1`."""
        if self.path.exists() and self.path.stat().st_size > LARGEST:
            self.path.replace(self.path.with_name(self.path.name + ".1"))
        self.path.touch(mode=0o600)
        self._begin = self.path.stat().st_size
        return self.path.open("ab")

    def last_words(self) -> str:
        """Why this run ended, by its own account: its last warning, or what it wrote at the end without a stamp."""
        lines = self._lines()
        bare = list(takewhile(lambda line: not _STAMP.match(line), reversed(lines)))[:4]
        stamps = [(line, _STAMP.match(line)) for line in lines]
        warnings = [line[stamp.end() :] for line, stamp in stamps if stamp and stamp[1] == "#"]
        return " ".join(reversed(bare)) or (warnings[-1] if warnings else "nothing")

    def damaged_file(self) -> str | None:
        """The name of the data file that this run could not read; None if that was not its trouble."""
        for line in self._lines():
            damage = _DAMAGE.search(line)
            if damage:
                return (damage[1] or "appendonly.aof.manifest").rstrip(".")
        return None

    def _lines(self) -> list[str]:
        with self.path.open("rb") as file:
            file.seek(max(self._begin, self.path.stat().st_size - _READ_BACK))
            return [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
