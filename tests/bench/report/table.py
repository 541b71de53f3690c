"""The table, as Markdown."""

from __future__ import annotations

from tests.bench.parts.part import Row
from tests.bench.report.findings import Findings


def table(findings: Findings) -> str:
    """A line for each row: jobd, its ratio to the best peer and to the floor, and everybody's median."""
    jobd, *others = findings.contenders
    compared = bool(others)
    has_peers = any(contender.kind == "peer" for contender in others)
    heads = ["", "unit", jobd.title]
    heads += ["× best peer"] if has_peers else []
    heads += ["× floor"] if compared else []
    heads += [contender.title for contender in others]
    lines = [_line(heads), _line(["---", "---", *["---:"] * (len(heads) - 2)])]
    for row in findings.rows():
        own = findings.median(row.name, jobd.name)
        cells = [row.title, row.unit, number(own)]
        if has_peers:
            best = findings.best_peer(row)
            cells.append(f"{ratio(own, best[1])} ({best[0]})" if best and own is not None else "")
        if compared:
            floor = floor_of(findings, row)
            cells.append(ratio(own, floor) if floor is not None and own is not None else "")
        cells += [number(findings.median(row.name, contender.name)) for contender in others]
        lines.append(_line(cells))
    return "\n".join(lines)


def floor_of(findings: Findings, row: Row) -> float | None:
    """What the row is compared with: the floor that comes first in the order of contenders and has a figure."""
    figures = (
        findings.median(row.name, contender.name) for contender in findings.contenders if contender.kind == "floor"
    )
    return next((figure for figure in figures if figure is not None), None)


def number(figure: float | None) -> str:
    """Three digits that mean something, or all of a large number."""
    if figure is None:
        return "–"
    if figure >= 1_000:
        return f"{round(figure, -len(str(int(figure))) + 4):,.0f}"
    return f"{figure:.3g}"


def ratio(own: float, other: float) -> str:
    """How many times the other's figure ours is."""
    return f"{own / other:.2f}" if other else "–"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
