"""Breaks functions that are loaded, so that a process that has imported everything need not do so anew: a function is
given the code that it would have if its file had been broken before."""

from __future__ import annotations

import dis
import gc
from collections import defaultdict
from collections.abc import Iterator
from inspect import CO_OPTIMIZED
from types import CodeType, FunctionType

Place = tuple[str, int]
"""a function, by its name in its file and its line there"""
Functions = dict[str, dict[Place, list[FunctionType]]]
_INNER = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")


def loaded() -> Functions:
    """All functions there are, by their files."""
    found: Functions = defaultdict(lambda: defaultdict(list))
    for each in gc.get_objects():
        if isinstance(each, FunctionType):
            found[each.__code__.co_filename][_place(each.__code__)].append(each)
    return found


def can_be_put_in(before: str, after: str) -> bool:
    """Does `after` differ from `before` in functions alone, and not in what has run when the file was imported,
    nor in those that were called then?"""
    was, now = compile(before, "", "exec"), compile(after, "", "exec")
    if list(_outside(was)) != list(_outside(now)):
        return False
    changed = {old.co_name for old, new in zip(_functions(was), _functions(now), strict=True) if old != new}
    return changed.isdisjoint(_used_at_once(was))


def _used_at_once(code: CodeType) -> Iterator[str]:
    """The names that are read when the file is imported: what a function has made by then stays as it is."""
    yield from (step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_NAME")
    for const in code.co_consts:
        if isinstance(const, CodeType) and not _is_function(const):
            yield from _used_at_once(const)


def put_in(functions: Functions, path: str, before: str, after: str) -> None:
    """Makes the functions of this file what `after` says, where it said `before`."""
    was, now = compile(before, path, "exec"), compile(after, path, "exec")
    for old, new in zip(_functions(was), _functions(now), strict=True):
        if old != new:
            for function in functions[path][_place(old)]:
                function.__code__ = new


def _place(code: CodeType) -> Place:
    return code.co_qualname, code.co_firstlineno


def _is_function(code: CodeType) -> bool:
    return bool(code.co_flags & CO_OPTIMIZED) and code.co_name not in _INNER


def _functions(code: CodeType) -> Iterator[CodeType]:
    """The outermost functions."""
    for const in code.co_consts:
        if isinstance(const, CodeType):
            if _is_function(const):
                yield const
            else:
                yield from _functions(const)


def _outside(code: CodeType) -> Iterator[object]:
    """What is not in functions."""
    yield code.co_code, code.co_names, [const for const in code.co_consts if not isinstance(const, CodeType)]
    for const in code.co_consts:
        if isinstance(const, CodeType) and not _is_function(const):
            yield from _outside(const)
