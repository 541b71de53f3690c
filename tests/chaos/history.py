"""What was seen, by those who saw it: each process appends to a file of its own, one JSON object a line."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

FOLDER, NAME = "CHAOS_HISTORY", "CHAOS_NAME"
"""how processes learn where to write, and what they are called"""

Note = dict[str, Any]
"""what was seen (`say`), when (`at`, seconds by the clock that all processes of a machine share), and the facts"""


class Scribe:
    """Appends notes; a short line is whole or not there, whatever happens to the process."""

    def __init__(self, path: Path, *, on_disk: bool = False) -> None:
        """`on_disk`: each note is on disk before `write` returns."""
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._on_disk = on_disk

    @classmethod
    def of_this_process(cls, *, on_disk: bool = False) -> Self:
        """Writes where the environment says."""
        name = os.environ[NAME]
        return cls(Path(os.environ[FOLDER], f"{name}.{os.getpid()}"), on_disk=on_disk)

    def write(self, say: str, **facts: Any) -> None:
        """One note."""
        line = json.dumps({"say": say, "at": round(time.monotonic(), 6), **facts})
        os.write(self._descriptor, f"{line}\n".encode())
        if self._on_disk:
            os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


@dataclass
class Run:
    """One run of a handler."""

    key: str
    job: str
    attempt: int
    fence: int
    program: str
    start: float
    end: float | None = None
    how: str = ""
    """"end", "raised", "stopped", or nothing: it was cut off"""


@dataclass
class Wish:
    """One job that a producer asked for, and what it was told."""

    key: str
    kind: str
    asked: float
    """when it was first sent"""
    producer: str
    answer: str = "unknown"
    """"accepted", "existing", "refused", "unknown" """
    told: float = 0.0
    """when the answer came"""
    facts: Note = field(default_factory=dict)
    """"delay" (s), "set" (a batch), "order", "limit" and "most", "unique", "fails", "child" """
    cancelled: float | None = None
    """when a producer was told that it is cancelled"""
    cancelling: bool = False
    """somebody asked for that"""
    sends: int = 1


@dataclass
class Fault:
    """One thing that was done to the programs it touched."""

    name: str
    target: str
    touched: frozenset[str]
    """names of programs; "*" is all of them"""
    start: float
    end: float

    def touches(self, program: str) -> bool:
        return program in self.touched or "*" in self.touched


@dataclass
class History:
    """All that was seen."""

    wishes: dict[str, Wish]
    runs: dict[str, list[Run]]
    """by key, in the order of their start"""
    faults: list[Fault]
    results: dict[str, Note]
    """by key, what the store says in the end: "status", "result", "reason" """

    @cached_property
    def ended(self) -> set[str]:
        """The keys of which a handler came to its end."""
        return {key for key, runs in self.runs.items() if any(run.how == "end" for run in runs)}


def read(folder: Path) -> History:
    """The history in a folder, whoever still writes there."""
    wishes: dict[str, Wish] = {}
    runs: dict[str, list[Run]] = {}
    faults: list[Fault] = []
    results: dict[str, Note] = {}
    open_runs: dict[tuple[str, int, str], Run] = {}
    for name, note in sorted(_notes(folder), key=lambda pair: float(pair[1]["at"])):
        program, _, _ = name.partition(".")
        match note["say"]:
            case "ask" | "answer" | "cancel" | "cancelled":
                _take_wish(wishes, note, program)
            case "start":
                run = Run(note["key"], note["job"], note["attempt"], note["fence"], program, note["at"])
                open_runs[run.key, run.fence, name] = run
                runs.setdefault(run.key, []).append(run)
            case "end" | "raised" | "stopped":
                run = open_runs[note["key"], note["fence"], name]
                run.end, run.how = note["at"], note["say"]
            case "fault":
                touched = frozenset(note["touched"])
                faults.append(Fault(note["name"], note["target"], touched, note["began"], note["at"]))
            case "result":
                results[note["key"]] = note
    return History(wishes, runs, faults, results)


def _take_wish(wishes: dict[str, Wish], note: Note, program: str) -> None:
    match note["say"]:
        case "ask":
            wish = wishes.get(note["key"])
            if wish is not None:
                wish.sends += 1
                return
            wishes[note["key"]] = Wish(note["key"], note["kind"], note["at"], program, facts=note)
        case "answer":
            wish = wishes[note["key"]]
            if wish.answer == "unknown":
                wish.answer, wish.told = note["answer"], note["at"]
        case "cancel":
            wishes[note["key"]].cancelling = True
        case "cancelled":
            wishes[note["key"]].cancelled = note["at"]


def _notes(folder: Path) -> Iterable[tuple[str, Note]]:
    for path in folder.iterdir():
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):  # who is writing this very moment has not finished
                yield path.name, json.loads(line)
