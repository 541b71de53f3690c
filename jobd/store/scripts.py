"""The Lua scripts: read from `lua/`, one file a verb, put together once.

Two lines in a script's head are more than words: `-- KEYS: jobs runs` gives it `jobs_key`, `runs_key` and makes Python
pass these keys; `-- include: head run` puts the files of that name in `lua/lib/` in front.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

_LUA = resources.files("jobd.store") / "lua"


@dataclass(frozen=True, slots=True)
class Script:
    """One script, ready to be sent."""

    name: str
    source: bytes
    sha: str
    keys: tuple[str, ...]
    """names of the fixed keys it is given, in order"""


@cache
def load(name: str) -> Script:
    """The script of this name."""
    text = (_LUA / f"{name}.lua").read_text()
    shebang, _, body = text.partition("\n")
    keys = _words(text, "-- KEYS: ")
    parts = [shebang, _names(keys)]
    parts += [(_LUA / "lib" / f"{part}.lua").read_text() for part in _words(text, "-- include: ")]
    source = "\n".join([*parts, body]).encode()
    return Script(name, source, hashlib.sha1(source, usedforsecurity=False).hexdigest(), keys)


def names() -> list[str]:
    """The names of all scripts."""
    return sorted(entry.name.removesuffix(".lua") for entry in _LUA.iterdir() if entry.name.endswith(".lua"))


def _words(text: str, mark: str) -> tuple[str, ...]:
    for line in text.splitlines():
        if line.startswith(mark):
            return tuple(line.removeprefix(mark).split())
    return ()


def _names(keys: tuple[str, ...]) -> str:
    if not keys:
        return ""
    variables = ", ".join(f"{key}_key" for key in keys)
    values = ", ".join(f"KEYS[{number}]" for number in range(1, len(keys) + 1))
    return f"local {variables} = {values}"
