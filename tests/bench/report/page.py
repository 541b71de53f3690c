"""The whole report as Markdown: what was measured, by whom, how, and what came of it."""

from __future__ import annotations

from pathlib import Path

from tests.bench.report.findings import Findings
from tests.bench.report.table import tables
from tests.bench.report.targets import verdicts

START, END = "<!-- measured by scripts/bench -->\n", "<!-- /measured -->"


def page(about: str, findings: Findings) -> str:
    """For the terminal."""
    parts = [about, tables(findings)]
    if judged := verdicts(findings):
        parts.append(f"### Targets\n\n{judged}")
    if findings.failures:
        parts.append("### Not measured\n\n" + "\n".join(f"- {failure}" for failure in findings.failures))
    return "\n\n".join(parts)


def write(path: Path, about: str, findings: Findings) -> None:
    """Puts the report, and who took part, between the marks in a file; one that has no marks is written anew."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    before, mark, rest = text.partition(START)
    after = rest.partition(END)[2] if mark else "\n"
    if not mark:
        before = ""
    body = f"{page(about, findings)}\n\n### Who took part\n\n{contenders(findings)}\n"
    path.write_text(f"{before}{START}\n{body}\n{END}{after}", encoding="utf-8")


def contenders(findings: Findings) -> str:
    """Versions, settings, and when each acknowledges."""
    lines = ["| | version | acknowledges | settings |", "| --- | --- | --- | --- |"]
    for contender in findings.contenders:
        cells = (contender.title, contender.version or "–", contender.acknowledgement, contender.settings)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
