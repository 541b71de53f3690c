"""JSON as it is accepted from outside: stricter than the grammar.

Refused are what parsers disagree about or change silently (numbers that would lose digits, NaN, keys given twice, lone
surrogates) and what is meant to hurt (depth, endless numbers, NUL in names).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from jobd.errors import FieldFault
from jobd.http.refusals import BadRequest

DEEPEST: Final = 32
LONGEST_NUMBER: Final = 400
_LEAST_INTEGER, _MOST_INTEGER = -(2**63), 2**64 - 1
_MOST_DIGITS = 20

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(rb"[ \t\n\r]*+(?:([{}\[\],:])|(" + _STRING + rb')|([^ \t\n\r{}\[\],:"]++))', re.DOTALL)
_STRING_AND_COLON = re.compile(_STRING + rb"[ \t\n\r]*+(:?)", re.DOTALL)
_BEFORE_VALUES = (b'":', b" :", b"\t:", b"\n:", b"\r:")
_DIGITS_AS_ZEROS = bytes(ord("0") if byte in b"0123456789" else byte for byte in range(256))
_NINETEEN_DIGITS = b"0" * 19
_INTEGER = re.compile(rb"-?[0-9]+")
_FLOAT = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


def parse(raw: bytes) -> Any:
    """The value of a JSON text. Raises BadRequest that names the place of the first fault by a JSON pointer."""
    try:
        # its own limit of depth keeps it from harm; ours is checked behind it
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _refusal(find_fault(raw) or _not_json(raw, error)) from None
    # most texts pass by these cheap looks; only the others are walked token by token
    if (_is_odd(raw) or not _keeps(value, raw)) and (fault := find_fault(raw)):
        raise _refusal(fault)
    return value


def find_fault(raw: bytes) -> FieldFault | None:
    """The first place where a text breaks a rule that the grammar of JSON does not have; None if there is none before
    the text ends, or ends being JSON."""
    levels: list[_Level] = []
    at = 0
    while token := _TOKEN.match(raw, at):
        at = token.end()
        mark, string, word = token.groups()
        if mark == b"{" or mark == b"[":
            if len(levels) == DEEPEST:
                return _fault(levels, "too_deep", f"this lies deeper than {DEEPEST} levels")
            levels.append(_Level(is_object=mark == b"{"))
        elif mark and mark in b"}]":
            if not levels:
                return None
            levels.pop()
        elif mark == b",":
            if not levels:
                return None
            levels[-1].go_on()
        elif string and levels and levels[-1].expects_key:
            if fault := _key_fault(levels, string):
                return fault
        elif word and (fault := _word_fault(levels, word)):
            return fault
    return None


@dataclass(slots=True)
class _Level:
    """One object or list that the walk is in, and where in it."""

    is_object: bool
    key: str = ""
    index: int = 0
    expects_key: bool = field(init=False)
    keys: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.expects_key = self.is_object

    def go_on(self) -> None:
        self.index += 1
        self.expects_key = self.is_object


def escaped(part: str) -> str:
    """A name as it stands in a JSON pointer (RFC 6901)."""
    return part.replace("~", "~0").replace("/", "~1")


def _fault(levels: list[_Level], code: str, message: str) -> FieldFault:
    pointer = "".join(f"/{escaped(level.key) if level.is_object else level.index}" for level in levels)
    return FieldFault(pointer=pointer, code=code, message=message)


def _key_fault(levels: list[_Level], string: bytes) -> FieldFault | None:
    level = levels[-1]
    try:
        level.key = orjson.loads(string)
    except orjson.JSONDecodeError:
        return None
    level.expects_key = False
    if level.key in level.keys:
        return _fault(levels, "duplicate_key", "this key is given twice")
    if "\0" in level.key:
        return _fault(levels, "nul_in_name", "a name cannot contain NUL")
    level.keys.add(level.key)
    return None


def _word_fault(levels: list[_Level], word: bytes) -> FieldFault | None:
    if word in (b"NaN", b"Infinity", b"-Infinity"):
        return _fault(levels, "not_a_number", f"{word.decode()} is not a number of JSON")
    if not _FLOAT.fullmatch(word):
        return None
    if len(word) > LONGEST_NUMBER:
        return _fault(levels, "number_too_long", f"a number has up to {LONGEST_NUMBER} characters")
    if _INTEGER.fullmatch(word):
        digits = word.lstrip(b"-")
        if len(digits) > _MOST_DIGITS or not _LEAST_INTEGER <= int(word) <= _MOST_INTEGER:
            message = "this integer does not fit into 64 bits; send it as a text"
            return _fault(levels, "integer_too_large", message)
    elif float(word) in (float("inf"), float("-inf")):
        return _fault(levels, "number_too_large", "this number is beyond what a double holds")
    return None


def _is_odd(raw: bytes) -> bool:
    """May there be a number that loses digits, or NUL in a name?"""
    return _NINETEEN_DIGITS in raw.translate(_DIGITS_AS_ZEROS) or b"\\u0000" in raw


def _keeps(value: Any, raw: bytes) -> bool:
    """Does the value hold each key of its text, and lie no deeper than is allowed?"""
    keys = depth = 0
    level = [value] if isinstance(value, dict | list) else []
    while level:
        depth += 1
        below: list[Any] = []
        for container in level:
            if type(container) is dict:
                keys += len(container)
                below += [item for item in container.values() if type(item) is dict or type(item) is list]
            else:
                below += [item for item in container if type(item) is dict or type(item) is list]
        level = below
    if depth > DEEPEST:
        return False
    # the colon of each key stands behind a quote or a space, as few in texts do; where some do, keys are counted well
    return keys == sum(map(raw.count, _BEFORE_VALUES)) or keys == _STRING_AND_COLON.findall(raw).count(b":")


def _not_json(raw: bytes, error: orjson.JSONDecodeError) -> FieldFault:
    if raw.startswith(b"\xef\xbb\xbf"):
        message = "it starts with a byte order mark; send plain UTF-8"
    else:
        message = f"{error.msg} (line {error.lineno}, column {error.colno})"
    return FieldFault(pointer="", code="not_json", message=message)


def _refusal(fault: FieldFault) -> BadRequest:
    if fault["code"] == "not_json":
        return BadRequest(f"the body is not JSON: {fault['message']}", [fault])
    return BadRequest(f"the body is not accepted: {fault['pointer'] or 'at the top'}: {fault['message']}", [fault])
