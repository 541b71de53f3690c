"""Ways to break jobd on purpose, each with what the checker must then see: one that never fails proves nothing."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

_ANSWERS_FIRST = "CHAOS_ANSWERS_FIRST"


@dataclass(frozen=True)
class Edit:
    """One change in a file of jobd."""

    file: str
    """below the package"""
    old: str
    new: str


@dataclass(frozen=True)
class Sabotage:
    """One broken set-up."""

    name: str
    about: str
    shows_as: str
    """the rule that must be violated"""
    faults: tuple[str, ...]
    """which show it"""
    edits: tuple[Edit, ...] = ()
    roles: tuple[str, ...] = ("worker", "monitor", "scheduler", "api", "producer", "server")
    """whom faults may hit"""
    kinds: tuple[str, ...] = ()
    """of jobs, that show it; none named: all"""
    rate: float = 60.0
    """of jobs that are asked for in a second"""
    seconds: float = 8.0
    every_s: float = 2.0
    """between two faults"""
    environment: tuple[tuple[str, str], ...] = ()
    server_settings: tuple[str, ...] = ("appendonly yes", "appendfsync always")

    def broken_copy(self, package: Path, folder: Path) -> Path:
        """A folder to take jobd from, with the edits made. Raises LookupError if the code is not as expected."""
        copy = folder / "broken"
        shutil.copytree(package, copy / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        for edit in self.edits:
            path = copy / package.name / edit.file
            text = path.read_text()
            if text.count(edit.old) != 1:
                raise LookupError(f"sabotage {self.name}: {edit.file} does not have {edit.old!r} once; mend the edit")
            path.write_text(text.replace(edit.old, edit.new))
        return copy


def answers_first() -> bool:
    """Is this process to say that a job is done, and only then to do it?"""
    return _ANSWERS_FIRST in os.environ


SABOTAGES = {
    each.name: each
    for each in (
        Sabotage(
            "answers-first",
            "workers acknowledge a job before they run it",
            "lost",
            ("kill-child", "kill-tree"),
            environment=((_ANSWERS_FIRST, "1"),),
        ),
        Sabotage(
            "forgets",
            "the server keeps nothing on disk",
            "lost",
            ("kill-server",),
            server_settings=("appendonly no",),
        ),
        Sabotage(
            "believes-zombies",
            "settlements are not compared with the fence and the holder",
            "zombie-accepted",
            ("stop-tree",),
            kinds=("long",),
            rate=6.0,
            seconds=24.0,
            every_s=6.0,
            edits=(
                Edit("store/lua/settle.lua", "delivery.fence ~= fence then", "false then"),
                Edit("store/lua/settle.lua", "delivery.holder ~= holder then", "false then"),
            ),
        ),
        Sabotage(
            "impatient",
            "the monitor takes over what has a second of its lease left, or three",
            "again-without-cause",
            (),
            edits=(
                Edit(
                    "store/lua/takeover.lua",
                    "'-inf', '(' .. string.format('%.0f', now)",
                    "'-inf', '(' .. string.format('%.0f', now + 3400)",
                ),
            ),
        ),
        Sabotage(
            "blames-victims",
            "what was lost with its worker has spent an attempt",
            "attempt-spent",
            ("kill-child", "kill-tree"),
            kinds=("long",),
            rate=6.0,
            edits=(Edit("store/lua/settle.lua", "if string.find(marks, 'u', 1, true) then", "if false then"),),
        ),
        Sabotage(
            "no-limits",
            "nobody counts who runs under a concurrency key",
            "over-limit",
            (),
            kinds=("limited",),
            edits=(Edit("store/lua/lib/gates.lua", "room = here.limit - here.held", "room = here.limit"),),
        ),
        Sabotage(
            "no-order",
            "an ordering key gives nobody the turn",
            "out-of-order",
            (),
            kinds=("ordered",),
            edits=(Edit("store/lua/lib/gates.lua", "here.owner == first and its or 0", "its"),),
        ),
        Sabotage(
            "hurries",
            "delayed jobs are promoted a second early",
            "too-early",
            (),
            edits=(
                Edit(
                    "store/lua/promote.lua",
                    "local due = redis.call('ZRANGEBYSCORE', delayed_key, '-inf', now,",
                    "local due = redis.call('ZRANGEBYSCORE', delayed_key, '-inf', now + 1000,",
                ),
            ),
        ),
    )
}
