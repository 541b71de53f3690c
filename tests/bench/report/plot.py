"""The plot: a small bar chart for each of the rows that people choose by, as one SVG without anything around it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from tests.bench.contender import Contender
from tests.bench.parts.part import Row
from tests.bench.report.findings import Findings
from tests.bench.report.table import number

SHOWN = ("drain", "two", "one", "flight", "bulk", "start_p50", "bytes", "drain_cpu_us")
COLUMNS, WIDTH, LABEL, BAR, LINE, GAP = 2, 450, 110, 260, 18, 34
COLOURS = {"jobd": "#1f6feb", "before": "#8c959f", "peer": "#d29922"}
STYLE = "text{font:12px system-ui,sans-serif;fill:#57606a}.title{font-weight:600;font-size:13px}.jobd{font-weight:600}"


def plot(findings: Findings) -> str:
    """The SVG; the longest bar of a chart is the largest figure, whether that is the best or the worst."""
    charts = [_chart(findings, row) for row in findings.rows() if row.name in SHOWN]
    charts = [chart for chart in charts if chart]
    drawn, heights = [], [0.0] * COLUMNS
    for chart in charts:
        column = heights.index(min(heights))
        drawn.append(f'<g transform="translate({column * WIDTH + 10} {heights[column] + 10:g})">{"".join(chart)}</g>')
        heights[column] += LINE * (len(chart) // 3 + 1) + GAP
    size = f'width="{COLUMNS * WIDTH}" height="{max(heights):g}" viewBox="0 0 {COLUMNS * WIDTH} {max(heights):g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><style>{STYLE}</style>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *drawn, "</svg>\n"])


def _chart(findings: Findings, row: Row) -> list[str]:
    bars = [
        (contender, figure)
        for contender in findings.contenders
        if contender.kind != "floor"  # beside it nothing else can be seen
        if (figure := findings.median(row.name, contender.name)) is not None
    ]
    if not bars:
        return []
    best = "more is better" if row.more_is_better else "less is better"
    bars.sort(key=lambda bar: bar[1], reverse=row.more_is_better)
    longest = max(figure for _, figure in bars)
    title = f'<text class="title" y="12">{escape(row.title)}, {row.unit} ({best})</text>'
    return [title, *(part for at, bar in enumerate(bars, 1) for part in _bar(at, *bar, longest))]


def _bar(line: int, contender: Contender, figure: float, longest: float) -> Iterator[str]:
    y, width = line * LINE, max(1.0, BAR * figure / longest)
    style = ' class="jobd"' if contender.kind == "jobd" else ""
    yield f'<text x="{LABEL - 6}" y="{y + 12}" text-anchor="end"{style}>{escape(contender.title)}</text>'
    colour = COLOURS[contender.kind]
    yield f'<rect x="{LABEL}" y="{y + 2}" width="{width:.1f}" height="{LINE - 5}" rx="2" fill="{colour}"/>'
    yield f'<text x="{LABEL + width + 5:.1f}" y="{y + 12}"{style}>{number(figure)}</text>'
