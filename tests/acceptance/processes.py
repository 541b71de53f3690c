"""Processes of this machine, as /proc shows them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def descendants(pid: int) -> list[int]:
    """The children of a process, their children, and so on."""
    of: dict[int, list[int]] = {}
    for child, parent in _parents():
        of.setdefault(parent, []).append(child)
    found, look = [], [pid]
    while look:
        children = of.get(look.pop(), [])
        found += children
        look += children
    return found


def words_of(pid: int) -> str:
    """The command line of a process; nothing if it is gone."""
    with suppress(OSError):
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return ""


def folder_of(pid: int) -> Path | None:
    """The working directory of a process; nothing if it is gone."""
    with suppress(OSError):
        return (_PROC / str(pid) / "cwd").readlink()
    return None


def all_processes(word: str) -> list[int]:
    """All processes with this word in their command line."""
    return [pid for pid, _ in _parents() if word in words_of(pid)]


def lives(pid: int) -> bool:
    """Is this process there, and no zombie that only waits to be buried?"""
    fields = _stat(pid)
    return bool(fields) and fields[0] not in "ZX"


def kill(pids: Iterable[int]) -> None:
    """kill -9; those that are gone are gone."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _parents() -> list[tuple[int, int]]:
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    return [(pid, int(fields[1])) for pid in pids if (fields := _stat(pid))]


def _stat(pid: int) -> list[str]:
    """State, parent and so on: what stands behind the name, which may hold anything."""
    with suppress(OSError):
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return []
