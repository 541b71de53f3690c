"""The Lua scripts: read from `lua/`, one file a verb, put together once.

Two lines in a script's head are more than words: `-- KEYS: jobs runs` gives it `jobs_key`, `runs_key` and makes Python
pass these keys; `-- include: head run` puts the files of that name in `lua/lib/` in front. Each stands in a block of
its own, out of which only those of its names are seen that others use: Lua allows 200 in one place.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

_DECLARED = re.compile(r"^local (?:function (\w+)|(\w+(?:, \w+)*)( =)?)", re.MULTILINE)
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
    parts = [(_LUA / "lib" / f"{part}.lua").read_text() for part in _words(text, "-- include: ")]
    blocks = [_block(part, "".join([body, *parts[:at], *parts[at + 1 :]])) for at, part in enumerate(parts)]
    source = "\n".join([shebang, _names(keys), *blocks, body]).encode()
    return Script(name, source, hashlib.sha1(source, usedforsecurity=False).hexdigest(), keys)


def names() -> list[str]:
    """The names of all scripts."""
    return sorted(entry.name.removesuffix(".lua") for entry in _LUA.iterdir() if entry.name.endswith(".lua"))


def _block(part: str, others: str) -> str:
    """A part in a block of its own, before which those of its names are declared that others use."""
    used = set(re.findall(r"\w+", others))
    shared: list[str] = []

    def declare(found: re.Match[str]) -> str:
        function, variables, value = found.groups()
        names = [function] if function else variables.split(", ")
        if used.isdisjoint(names):
            return found[0]
        shared.extend(names)
        if function:
            return f"function {function}"
        return f"{variables} =" if value else ""

    block = _DECLARED.sub(declare, part)
    return f"local {', '.join(shared)} do {block}end" if shared else f"do {block}end"


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
