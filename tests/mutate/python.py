"""How Python can be broken: a guard that is always open or always shut, a condition without one of its parts, a limit
that is one off."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import accumulate

from tests.mutate.mutant import Mutant

_OTHER: dict[type[ast.cmpop], str] = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}


def mutants(file: str, text: str) -> Iterator[Mutant]:
    """All ways in which this file is broken."""
    lines = text.splitlines(keepends=True)
    starts = [0, *accumulate(map(len, lines))]

    def at(line: int, column: int) -> int:
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())  # the parser counts bytes

    def span(node: ast.expr) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return at(node.lineno, node.col_offset), at(node.end_lineno, node.end_col_offset)

    def broken(node: ast.expr, new: str) -> Mutant:
        start, end = span(node)
        return Mutant(file, node.lineno, start, end, text[start:end], new)

    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.If | ast.IfExp) and ast.unparse(node.test) != "TYPE_CHECKING":
            yield broken(node.test, "True")
            yield broken(node.test, "False")
        elif isinstance(node, ast.BoolOp):
            for value in node.values:
                if not _is_zero(value):  # which is the same as False
                    yield broken(value, "True" if isinstance(node.op, ast.And) else "False")
        elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _OTHER:
            left, right = span(node.left)[1], span(node.comparators[0])[0]
            new = _OTHER[type(node.ops[0])]
            sign = new[0] if new[1:] else f"{new}="
            start = left + text[left:right].index(sign)  # there may be brackets about it
            yield Mutant(file, node.lineno, start, start + len(sign), text[span(node)[0] : span(node)[1]], f" {new} ")


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not isinstance(node.value, str | bytes | None) and node.value == 0
