"""How a Lua script can be broken: a guard that is always open or always shut, a condition without one of its parts, a
limit that is one off, a step that is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.mutate.mutant import Mutant

_HIDDEN = re.compile(r"--[^\n]*|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"")
_GUARD = re.compile(r"\b(?:if|elseif|while)\s+(.+?)\s+(?:then|do)\b")
_STEP = re.compile(r"^[ \t]*((?:redis\.call|\w+)\(.*\))[ \t]*$", re.MULTILINE)
_COMPARED = re.compile(r"(?<![<>=~])(<=|>=|<|>)(?![<>=])")
_OTHER = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_STATEMENT = re.compile(
    r"^([ \t]*)(?=(?:if|while|for|return)\b)|^([ \t]+)(?=local (?!function)|redis\.call\()", re.MULTILINE
)


def mutants(file: str, text: str) -> Iterator[Mutant]:
    """All ways in which this file is broken."""
    code = _HIDDEN.sub(lambda found: " " * len(found[0]) if found[0][0] == "-" else "'" * len(found[0]), text)
    found: set[tuple[int, int, str]] = set()

    def broken(start: int, end: int, new: str) -> Iterator[Mutant]:
        if (start, end, new) not in found:
            found.add((start, end, new))
            yield Mutant(file, text.count("\n", 0, start) + 1, start, end, text[start:end], new)

    for guard in _GUARD.finditer(code):
        start, end = guard.span(1)
        if not code[guard.start() :].startswith("while"):
            yield from broken(start, end, "true")
        yield from broken(start, end, "false")
        for word, neutral in (("and", "true"), ("or", "false")):
            parts = list(_parts(code, start, end, word))
            if len(parts) > 1:
                for part in parts:
                    yield from broken(*part, neutral)
    for sign in _COMPARED.finditer(code):
        yield from broken(*sign.span(1), _OTHER[sign[1]])
    for step in _STEP.finditer(code):
        if step[1].count("(") == step[1].count(")") and _is_statement(code, step.start(1)):
            yield from broken(*step.span(1), "do end")


def _parts(code: str, start: int, end: int, word: str) -> Iterator[tuple[int, int]]:
    """The parts of a condition between such words, as far as they stand in no brackets."""
    depth, since = 0, start
    for token in re.finditer(rf"[(\[{{]|[)\]}}]|\b{word}\b|\b(?:and|or)\b", code[start:end]):
        if token[0] in "([{":
            depth += 1
        elif token[0] in ")]}":
            depth -= 1
        elif depth == 0:
            if token[0] != word:
                if word == "and":
                    return  # it is `a and b or c`: its parts mean something else
                continue
            yield since, start + token.start() - 1
            since = start + token.end() + 1
    yield since, end


def _is_statement(code: str, at: int) -> bool:
    """Does a statement begin here, and is it no part of what stands above?"""
    above = code[:at].rstrip()
    return not above.endswith(("(", ",", "{", "=", "..", "and", "or", "return", "not"))


def probed(file: str, text: str) -> str:
    """The file with words in it by which the server's log tells which lines were come by."""
    lines = iter(range(1, text.count("\n") + 2))
    out = []
    code = _HIDDEN.sub(lambda found: " " * len(found[0]), text)
    for line, bare in zip(text.split("\n"), code.split("\n"), strict=True):
        number = next(lines)
        place = _STATEMENT.match(bare)
        if place and place.end() < len(line):
            at = place.end()
            line = f"{line[:at]}redis.log(redis.LOG_WARNING,'@{file}:{number}') {line[at:]}"
        out.append(line)
    return "\n".join(out)
