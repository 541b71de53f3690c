"""The whole report as a page of Markdown: what was measured, how, by whom, and what came of it."""

from __future__ import annotations

from tests.bench.report.findings import Findings
from tests.bench.report.table import table
from tests.bench.report.targets import verdicts


def page(about: str, findings: Findings) -> str:
    """For the terminal, and for a file."""
    parts = [about, table(findings)]
    if judged := verdicts(findings):
        parts.append(judged)
    if findings.failures:
        parts.append("Not measured:\n\n" + "\n".join(f"- {failure}" for failure in findings.failures))
    return "\n\n".join(parts)


def contenders(findings: Findings) -> str:
    """Who took part: versions, settings, and when each acknowledges."""
    lines = ["| | version | acknowledges | settings |", "| --- | --- | --- | --- |"]
    for contender in findings.contenders:
        cells = (contender.title, contender.version or "–", contender.acknowledgement, contender.settings)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
