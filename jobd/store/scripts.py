"""The Lua scripts: read from `lua/`, one file a verb, put together once to a library of functions for the server.

A line in a script's head is more than words: `-- KEYS: jobs runs` names the fixed keys that it uses, and that Python
passes. `-- include: head run` names the parts in `lua/lib/` that it uses, for people and tests: all are there. Each
part stands in a block of its own, out of which only those of its names are seen that others use: Lua allows 200 in one
place.

The server makes all functions once, and not in each call. What a part keeps for the time of a call, its lines
`local name = …` outside of functions, begins anew with each that may reach it. Names in capitals are numbers for ever,
and `jobs_key` is the key of that name of the shard that the call is for.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from jobd.store.keys import FIXED

LUA = resources.files("jobd.store") / "lua"
PREFIX = "jobd_"
"""what the names of our libraries begin with"""
_OWN_NAME = "<library>"
_DECLARED = re.compile(r"^local (?:function (\w+)|(\w+(?:, \w+)*)( =)?)", re.MULTILINE)
_KEPT_FOR_A_CALL = re.compile(r"^local ([a-z]\w*(?:, [a-z]\w*)*) = (.*)$", re.MULTILINE)
_NUMBERS = re.compile(r"^local ([A-Z]\w*(?:, [A-Z]\w*)*) = (.*)$", re.MULTILINE)
_FIXED_KEY = re.compile(rf"\b({'|'.join(sorted(FIXED))})_key\b")


@dataclass(frozen=True, slots=True)
class Library:
    """All scripts as the server is told them."""

    name: str
    """has a hash of the text in it, so that a server may know those of several releases"""
    source: bytes


@dataclass(frozen=True, slots=True)
class Script:
    """One script, ready to be called."""

    name: str
    function: str
    """what the server knows it by"""
    keys: tuple[str, ...]
    """names of the fixed keys it is given, in order"""
    library: Library


def load(name: str) -> Script:
    """The script of this name."""
    return library()[name]


@cache
def library(*, ahead: str = "") -> dict[str, Script]:
    """All scripts by name. `ahead` is Lua that stands before them."""
    parts = {entry.name.removesuffix(".lua"): _code(entry) for entry in _files(LUA / "lib")}
    bodies = {name: _code(LUA / f"{name}.lua") for name in names()}
    heads = {name: (LUA / f"{name}.lua").read_text() for name in bodies}
    blocks: list[str] = []
    shared = ["ARGV"]
    for part, text in parts.items():
        others = "\n".join([*(text for other, text in parts.items() if other != part), *bodies.values()])
        block, its_names = _block(part, text, set(re.findall(r"\w+", others)))
        blocks.append(block)
        shared += its_names
    if twice := {name for name in shared if shared.count(name) > 1}:
        raise ValueError(f"several parts of the scripts share names that are the same: {sorted(twice)}")
    functions = [_function(name, body, heads[name], _reached(body, parts)) for name, body in bodies.items()]
    text = "\n".join([f"local begin, {', '.join(shared)} = {{}}", *blocks, *functions])
    text = ahead + re.sub(r"^ +", "", _with_numbers(text, parts), flags=re.MULTILINE)
    own = PREFIX + hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:12]
    whole = Library(own, f"#!lua name={own}\n{text.replace(_OWN_NAME, own)}".encode())
    return {name: Script(name, f"{own}_{name}", _words(heads[name], "-- KEYS: "), whole) for name in bodies}


def names() -> list[str]:
    """The names of all scripts."""
    return [entry.name.removesuffix(".lua") for entry in _files(LUA)]


def _files(folder: Traversable) -> list[Traversable]:
    return sorted((entry for entry in folder.iterdir() if entry.name.endswith(".lua")), key=lambda entry: entry.name)


def _code(file: Traversable) -> str:
    """What is in a file but for words for people: servers keep it in memory and on disk."""
    lines = (re.sub(r"--.*", "", line).rstrip() for line in file.read_text().splitlines() if line[:2] != "#!")
    return _FIXED_KEY.sub(r"fixed.\1", "\n".join(line for line in lines if line))


def _block(part: str, text: str, used: set[str]) -> tuple[str, list[str]]:
    """A part in a block of its own, and those of its names that others use."""
    shared: list[str] = []
    anew: list[str] = []

    def keep(found: re.Match[str]) -> str:
        anew.append(f"{found[1]} = {found[2]}")
        return f"local {found[1]}"

    def declare(found: re.Match[str]) -> str:
        function, variables, value = found.groups()
        names = [function] if function else variables.split(", ")
        if used.isdisjoint(names):
            return found[0]
        shared.extend(names)
        if function:
            return f"function {function}"
        return f"{variables} =" if value else ""

    text = _DECLARED.sub(declare, _KEPT_FOR_A_CALL.sub(keep, _NUMBERS.sub("", text)))
    return "\n".join(["do", text, f"function begin.{part}()", *anew, "end", "end"]), shared


def _with_numbers(text: str, parts: dict[str, str]) -> str:
    """The text with the values of the parts' names in capitals in their places."""
    numbers: dict[str, str] = {}
    for part in parts.values():
        for found in _NUMBERS.finditer(part):
            numbers |= dict(zip(found[1].split(", "), found[2].split(", "), strict=True))
    return re.sub(rf"\b({'|'.join(numbers)})\b", lambda found: numbers[found[1]], text)


def _reached(text: str, parts: dict[str, str]) -> list[str]:
    """The parts that a text may use, or these in turn; the head first."""
    owners: dict[str, set[str]] = {}
    for part, its_text in parts.items():
        for function, variables, _ in _DECLARED.findall(its_text):
            for name in [function] if function else variables.split(", "):
                owners.setdefault(name, set()).add(part)
    reached = ["head"]
    news = _names(text) | _names(parts["head"])
    while found := sorted(set().union(*(owners.get(name, ()) for name in news)).difference(reached)):
        reached += found
        news = set().union(*(_names(parts[part]) for part in found))
    return reached


def _names(text: str) -> set[str]:
    """The names in a text, but for those of fields."""
    return set(re.findall(r"(?<![\w.])[A-Za-z_]\w*", re.sub(r"'[^']*'", "", text)))


def _function(name: str, body: str, head: str, parts: list[str]) -> str:
    """A script as a function that the server can call."""
    flags = re.findall(r"[a-z-]+", head.partition("\n")[0].partition("flags=")[2])
    return f"""do
local function run()
{body}
end
local function call(keys, arguments)
ARGV = arguments
{" ".join(f"begin.{part}()" for part in parts)}
return run()
end
redis.register_function({{ function_name = '{_OWN_NAME}_{name}', callback = call, flags = {{ {str(flags)[1:-1]} }} }})
end"""


def _words(text: str, mark: str) -> tuple[str, ...]:
    for line in text.splitlines():
        if line.startswith(mark):
            return tuple(line.removeprefix(mark).split())
    return ()
