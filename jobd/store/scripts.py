"""The Lua scripts: read from `lua/`, one file a verb, put together once to a library of functions for the server.

A line in a script's head is more than words: `-- KEYS: jobs runs` names the fixed keys that it uses, and that Python
passes. `-- include: head run` names the parts in `lua/lib/` that it may reach. Each part stands in a block of its own,
out of which only those of its names are seen that others use: Lua allows 200 in one place. A part that one script alone
includes stands with that, and takes none of these.

The server makes all functions once, and not in each call. What a part keeps for the time of a call, its lines
`local name = …` outside of functions, begins anew with each script that includes it. Names in capitals are numbers for
ever, and `jobs_key` is the key of that name of the shard that the call is for.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
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
_NUMBERS = re.compile(r"^local ([A-Z][A-Z0-9_]*(?:, [A-Z][A-Z0-9_]*)*) = (.*)$", re.MULTILINE)
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_STRING = re.compile(r"'[^']*'")
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
    flags: str = ""
    """what the server is to know of it, in its words"""

    def alone(self) -> bytes:
        """A text that does the same where the server cannot take the library in."""
        _, _, code = self.library.source.decode().partition("\n")
        return f"""#!lua flags={self.flags}
local keys, arguments, run = KEYS, ARGV
local function make(register)
{code.replace("redis.register_function(", "register(")}
end
make(function(made) if made.function_name == '{self.function}' then run = made.callback end end)
return run(keys, arguments)""".encode()


def load(name: str) -> Script:
    """The script of this name."""
    return library()[name]


@cache
def library(*, ahead: str = "") -> dict[str, Script]:
    """All scripts by name. `ahead` is Lua that stands before them."""
    parts = {entry.name.removesuffix(".lua"): _Text(entry.read_text()) for entry in _files(LUA / "lib")}
    scripts = {entry.name.removesuffix(".lua"): _Text(entry.read_text()) for entry in _files(LUA)}
    code = _put_together(parts, scripts)
    numbers = {name: value for text in parts.values() for name, value in text.numbers}
    code = re.sub(r"'[^']*'|\b[A-Z][A-Z0-9_]*\b", lambda found: numbers.get(found[0], found[0]), code)
    code = ahead + re.sub(r"^ +", "", code, flags=re.MULTILINE)
    own = PREFIX + hashlib.sha1(code.encode(), usedforsecurity=False).hexdigest()[:12]
    whole = Library(own, f"#!lua name={own}\n{code.replace(_OWN_NAME, own)}".encode())
    return {
        name: Script(name, f"{own}_{name}", text.keys, whole, ",".join(text.flags)) for name, text in scripts.items()
    }


class _Text:
    """A file, and what is to be known of it."""

    def __init__(self, text: str) -> None:
        lines = (line.partition("--")[0].rstrip() for line in text.splitlines() if not line.startswith("#!"))
        self.code = _FIXED_KEY.sub(r"fixed.\1", "\n".join(line for line in lines if line))
        """without words for people: servers keep it in memory and on disk"""
        self.names = set(_NAME.findall(_STRING.sub("", self.code)))
        """all but those of fields"""
        self.declared = {
            name
            for function, variables, _ in _DECLARED.findall(self.code)
            for name in ([function] if function else variables.split(", "))
        }
        self.numbers = [
            pair
            for names, values in _NUMBERS.findall(self.code)
            for pair in zip(names.split(", "), values.split(", "), strict=True)
        ]
        shebang, _, _ = text.partition("\n")
        self.flags = shebang.partition("flags=")[2].split(",")
        keys = re.search(r"^-- KEYS: (.*)$", text, re.MULTILINE)
        self.keys = tuple(keys[1].split()) if keys else ()
        parts = re.search(r"^-- include: (.*)$", text, re.MULTILINE)
        self.parts = parts[1].split() if parts else []


def names() -> list[str]:
    """The names of all scripts."""
    return [entry.name.removesuffix(".lua") for entry in _files(LUA)]


def _files(folder: Traversable) -> list[Traversable]:
    return sorted((entry for entry in folder.iterdir() if entry.name.endswith(".lua")), key=lambda entry: entry.name)


def _put_together(parts: dict[str, _Text], scripts: dict[str, _Text]) -> str:
    """All scripts with what they share. A name is declared where it is first needed."""
    uses = Counter(name for text in [*parts.values(), *scripts.values()] for name in text.names)
    blocks = {
        part: _block(part, text.code, {name for name in text.declared if uses[name] > 1})
        for part, text in parts.items()
    }
    shared = [name for block in blocks.values() for name in block.shared]
    if twice := {name for name in shared if shared.count(name) > 1}:
        raise ValueError(f"several parts of the scripts share names that are the same: {sorted(twice)}")
    users = Counter(part for text in scripts.values() for part in text.parts)
    common = {name for part, block in blocks.items() if users[part] > 1 for name in block.shared}
    lines, declared, written = ["local begin, ARGV = {}"], set[str](), set[str]()

    def write(names: set[str], code: str) -> None:
        if news := sorted(names & common - declared):
            lines.append(f"local {', '.join(news)}")
            declared.update(news)
        lines.append(code)

    own_parts = {name: [part for part in text.parts if users[part] == 1] for name, text in scripts.items()}
    # the scripts with most parts of their own come first, as long as few other names are there
    for name, text in sorted(scripts.items(), key=lambda item: -len(own_parts[item[0]])):
        for part in text.parts:
            if users[part] > 1 and part not in written:
                written.add(part)
                write(parts[part].names, blocks[part].code)
        own = own_parts[name]
        names = text.names.union(*(parts[part].names for part in own))
        write(names, _function(name, text, [blocks[part] for part in own], blocks))
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Block:
    """A part in a block of its own."""

    code: str
    shared: list[str]
    """those of its names that others use"""
    begins: bool
    """does it keep anything for the time of a call?"""


def _block(part: str, code: str, used: set[str]) -> _Block:
    shared: list[str] = []
    anew: list[str] = []

    def keep(found: re.Match[str]) -> str:
        anew.extend(_anew(found[1], found[2]))
        return f"local {found[1]}" if "{}" not in found[2] else found[0]

    def declare(found: re.Match[str]) -> str:
        function, variables, value = found.groups()
        names = [function] if function else variables.split(", ")
        if used.isdisjoint(names):
            return found[0]
        shared.extend(names)
        if function:
            return f"function {function}"
        return f"{variables} =" if value else ""

    code = _DECLARED.sub(declare, _KEPT_FOR_A_CALL.sub(keep, _NUMBERS.sub("", code)))
    begin = [f"function begin.{part}(next)", *anew, "end"] if anew else []
    return _Block("\n".join(["do", code, *begin, "end"]), shared, bool(anew))


def _anew(names: str, values: str) -> list[str]:
    """How these begin anew. A table in which the call before has left nothing is as good as a new one; `next` is handed
    in, as a global name is looked up for each."""
    if "(" in values:  # what is called may give several
        return [f"{names} = {values}"]
    return [
        f"if next({name}) then {name} = {{}} end" if value == "{}" else f"{name} = {value}"
        for name, value in zip(names.split(", "), values.split(", "), strict=True)
    ]


def _function(name: str, script: _Text, own: list[_Block], blocks: dict[str, _Block]) -> str:
    """A script as a function that the server can call, behind the parts that are its own."""
    flags = ", ".join(f"'{flag}'" for flag in script.flags if flag)
    own_names = ", ".join(name for block in own for name in block.shared)
    own_parts = "\n".join([f"local {own_names}" if own_names else "", *(block.code for block in own)])
    return f"""do
{own_parts}
local function run()
{script.code}
end
local function call(keys, arguments)
ARGV = arguments
local next = next
{" ".join(f"begin.{part}(next)" for part in script.parts if blocks[part].begins)}
return run()
end
redis.register_function({{ function_name = '{_OWN_NAME}_{name}', callback = call, flags = {{ {flags} }} }})
end"""
