"""The environment of each peer: its packages, made on demand in a folder that git does not see."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.contender import Contender
from tests.bench.process import BenchError

INSTALL_LIMIT_S = 600.0
_STAMP = "packages.txt"


class Environments:
    """One folder for each contender that needs one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def executables(self, contender: Contender) -> Path:
        """The folder with its programs."""
        if contender.kind != "peer":
            return Path(sys.executable).parent
        return self._place(contender) / ("node_modules/.bin" if contender.language == "node" else "bin")

    def missing(self, contender: Contender) -> str:
        """What this machine lacks for it; nothing if it can take part."""
        if contender.language == "node" and not (shutil.which("node") and shutil.which("npm")):
            return "there is no node and npm on this machine"
        return ""

    def ready(self, contender: Contender) -> bool:
        """Is it there, with the packages that are wanted now?"""
        if contender.kind != "peer":
            return True
        stamp = self._place(contender) / _STAMP
        return not self.missing(contender) and stamp.exists() and stamp.read_text() == _wanted(contender)

    def make(self, contender: Contender) -> None:
        """Installs what is missing. Raises BenchError if that fails."""
        if self.ready(contender):
            return
        if lack := self.missing(contender):
            raise BenchError(lack)
        place = self._place(contender)
        if place.exists():
            shutil.rmtree(place)
        place.mkdir(parents=True)
        if contender.language == "node":
            _run("npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock",
                 "--prefix", str(place), *contender.packages)  # fmt: skip
        else:
            _run(sys.executable, "-m", "venv", str(place))
            _run(str(place / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                 *contender.packages)  # fmt: skip
        (place / _STAMP).write_text(_wanted(contender))

    def _place(self, contender: Contender) -> Path:
        return self._folder / contender.name


def _wanted(contender: Contender) -> str:
    return "\n".join(contender.packages)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_LIMIT_S)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{_short(command)}: not done after {INSTALL_LIMIT_S:g} s") from None
    if done.returncode:
        raise BenchError(f"{_short(command)}: {done.stderr.strip()[-1_000:]}")


def _short(command: Sequence[str]) -> str:
    return " ".join([Path(command[0]).name, *command[1:]])
