"""The Lua scripts: read from `lua/`, one file a verb, put together once.

Two lines in a script's head are more than words: `-- KEYS: jobs runs` gives it `jobs_key`, `runs_key` and makes Python
pass these keys; `-- include: head run` puts the files of that name in `lua/lib/` in front. Each stands in a block of
its own, out of which only those of its names are seen that others use: Lua allows 200 in one place. Functions that the
script does not reach are left out, as making each of them costs time in every call.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

_DECLARED = re.compile(r"^local (?:function (\w+)|(\w+(?:, \w+)*)( =)?)", re.MULTILINE)
_FUNCTION = re.compile(r"^local function (\w+)\b.*?^end$", re.MULTILINE | re.DOTALL)
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
    used = _reached([*parts, body])
    parts = [_FUNCTION.sub(lambda found: found[0] if found[1] in used else "", part) for part in parts]
    blocks = [_block(part, "".join([body, *parts[:at], *parts[at + 1 :]])) for at, part in enumerate(parts)]
    source = "\n".join([shebang, _names(keys), *blocks, body]).encode()
    return Script(name, source, hashlib.sha1(source, usedforsecurity=False).hexdigest(), keys)


def names() -> list[str]:
    """The names of all scripts."""
    return sorted(entry.name.removesuffix(".lua") for entry in _LUA.iterdir() if entry.name.endswith(".lua"))


def _reached(texts: list[str]) -> set[str]:
    """All words of what a script does outside of functions, and of the functions that it may call by doing so."""
    code = re.sub(r"--.*", "", "\n".join(texts))
    functions = {found[1]: set(re.findall(r"\w+", found[0])) for found in _FUNCTION.finditer(code)}
    words: set[str] = set()
    news = set(re.findall(r"\w+", _FUNCTION.sub("", code)))
    while news:
        words |= news
        news = set().union(*(functions[word] for word in news if word in functions)) - words
    return words


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
