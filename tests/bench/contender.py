"""Who takes part: jobd, the floors, and the queues that a user may pick instead."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
Kind = Literal["jobd", "before", "floor", "peer"]


@dataclass(frozen=True)
class Contender:
    """One of them, as `contenders.toml` describes it."""

    name: str
    title: str
    kind: Kind
    program: str
    """the file of its producer, in `programs/`"""
    workers: Mapping[str, list[str]]
    """how its worker is started, by shape: `one` process, `two`, handlers in `threads`, …; {words} are filled in"""
    ways: tuple[str, ...]
    """the ways of enqueuing that its library has: one, flight, bulk"""
    acknowledgement: str
    """when a job is taken off the list of what must still be done, in words"""
    settings: str
    """what was set for the measurement, in words"""
    language: Literal["python", "node"] = "python"
    packages: tuple[str, ...] = ()
    """what its environment needs, with versions"""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The version of its first package; nothing for what is part of this repository."""
        return self.packages[0].replace("@", "==").partition("==")[2] if self.packages else ""


def earlier(now: Contender, checkout: Path) -> Contender:
    """jobd as it was in another checkout of this repository, whatever is installed."""
    parts = [checkout, checkout / "tests/testbed", *sorted((checkout / "plugins").iterdir())]
    path = os.pathsep.join(str(part.resolve()) for part in (PROGRAMS, *parts))
    return replace(now, name="before", title="jobd before", kind="before", environment={"PYTHONPATH": path})


def read_contenders(path: Path = HERE / "contenders.toml") -> dict[str, Contender]:
    """All of them by name, in the order of the file."""
    found = {}
    for name, facts in tomllib.loads(path.read_text(encoding="utf-8")).items():
        facts["ways"], facts["packages"] = tuple(facts["ways"]), tuple(facts.get("packages", ()))
        found[name] = Contender(name=name, **facts)
    return found
