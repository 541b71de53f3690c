"""The tables, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.contender import Contender
from tests.bench.parts.part import Row
from tests.bench.report.findings import Findings


def tables(findings: Findings) -> str:
    """A table for each heading of the parts: a line for each contender, or for each figure where jobd is alone."""
    headings = list(dict.fromkeys(part.table for part in findings.parts))
    drawn = []
    for heading in headings:
        rows = [row for part in findings.parts if part.table == heading for row in part.rows]
        rows = [row for row in rows if row.name in findings.figures]
        taking = [one for one in findings.contenders if any(findings.median(row.name, one.name) for row in rows)]
        if rows:
            draw = _beside if len(taking) > 1 else _alone
            drawn.append(f"### {heading}\n\n{draw(findings, rows, taking)}")
    return "\n\n".join(drawn)


def _alone(findings: Findings, rows: Sequence[Row], taking: Sequence[Contender]) -> str:
    lines = [_line("", "unit", *(one.title for one in taking)), _line("---", "---", *["---:"] * len(taking))]
    lines += [
        _line(row.title, row.unit, *(number(findings.median(row.name, one.name)) for one in taking)) for row in rows
    ]
    return "\n".join(lines)


def _beside(findings: Findings, rows: Sequence[Row], taking: Sequence[Contender]) -> str:
    heads = [f"{row.title}, {row.unit}" if row.unit else row.title for row in rows]
    lines = [_line("", *heads), _line("---", *["---:"] * len(rows))]
    lines += [_line(_bold(one), *(number(findings.median(row.name, one.name)) for row in rows)) for one in taking]
    for name, others in (("before", _before), ("best peer", _best_peer), ("floor", floor_of)):
        if any(one.kind in name for one in taking):
            lines.append(_line(f"*jobd × {name}*", *(_ratio(findings, row, others(findings, row)) for row in rows)))
    return "\n".join(lines)


def _before(findings: Findings, row: Row) -> float | None:
    return findings.median(row.name, "before")


def floor_of(findings: Findings, row: Row) -> float | None:
    """What the row is compared with: the floor that comes first in the order of contenders and has a figure."""
    figures = (
        findings.median(row.name, contender.name) for contender in findings.contenders if contender.kind == "floor"
    )
    return next((figure for figure in figures if figure is not None), None)


def _best_peer(findings: Findings, row: Row) -> float | None:
    best = findings.best_peer(row)
    return best and best[1]


def number(figure: float | None) -> str:
    """Three digits that mean something, or all of a large number."""
    if figure is None:
        return "–"
    if figure >= 1_000:
        return f"{round(figure, -len(str(int(figure))) + 4):,.0f}"
    return f"{figure:.3g}"


def _ratio(findings: Findings, row: Row, other: float | None) -> str:
    own = findings.median(row.name, "jobd")
    return f"{own / other:.2f}" if own is not None and other else "–"


def _bold(contender: Contender) -> str:
    return f"**{contender.title}**" if contender.kind == "jobd" else contender.title


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
