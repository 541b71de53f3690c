"""Tells what a run has shown: a table for the terminal, a page for those who were not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.checker import RULES, Verdict
from tests.chaos.nemesis import ABOUT
from tests.chaos.sabotage import Sabotage

_FROM, _TO = "<!-- figures -->", "<!-- /figures -->"
_EXAMPLES = 5
"""of each violation, so many are told"""


@dataclass(frozen=True)
class Proof:
    """What the checker said of a jobd that was broken on purpose."""

    sabotage: Sabotage
    verdict: Verdict

    @property
    def seen(self) -> bool:
        """Was it seen for what it is?"""
        return bool(self.verdict.violations[self.sabotage.shows_as])


@dataclass(frozen=True)
class Report:
    """All of one call of the program."""

    about: Sequence[str]
    """what was run, where and how, a fact a line"""
    proofs: Sequence[Proof]
    verdict: Verdict | None
    """None: only proofs were asked for"""

    @property
    def good(self) -> bool:
        return all(proof.seen for proof in self.proofs) and (self.verdict is None or self.verdict.good)

    def text(self) -> str:
        """The page, in Markdown; it reads as well on a terminal."""
        parts = ["# What jobd does under faults", *self.about]
        if self.proofs:
            rows = [
                (proof.sabotage.name, proof.sabotage.about, proof.sabotage.shows_as, _seen(proof))
                for proof in self.proofs
            ]
            parts += [
                "",
                "## Could it fail? jobd broken on purpose",
                "",
                *_table(("broken", "how", "must show as", "seen"), rows),
            ]
        if self.verdict is not None:
            parts += ["", *_of_verdict(self.verdict)]
        parts += ["", f"**{self.words}**", ""]
        return "\n".join(parts)

    def write(self, page: Path) -> None:
        """Writes the page; one that is there and has marks gets the report between them, as a chapter of its own."""
        before, mark, rest = page.read_text().partition(_FROM) if page.exists() else ("", "", "")
        if not mark:
            page.write_text(self.text())
            return
        chapter = self.text().partition("\n")[2].replace("\n## ", "\n### ")
        page.write_text(f"{before}{mark}\n{chapter}{_TO}{rest.partition(_TO)[2]}")

    @property
    def words(self) -> str:
        """The whole in a sentence."""
        missed = [proof.sabotage.name for proof in self.proofs if not proof.seen]
        if missed:
            return f"INVALID: the checker did not see what was broken: {', '.join(missed)}"
        if self.verdict is None:
            return "VALID: all that was broken was seen"
        broken = [name for name, found in self.verdict.violations.items() if found]
        if broken:
            return f"VIOLATED: {', '.join(broken)}"
        return "VALID: no violation" if self.verdict.enough else "UNKNOWN: too few jobs were accepted to say anything"


def _seen(proof: Proof) -> str:
    found = proof.verdict.violations[proof.sabotage.shows_as]
    return f"yes, {len(found)} times" if found else "NO"


def _of_verdict(verdict: Verdict) -> list[str]:
    rules = [(name, rule.about, str(len(verdict.violations[name]))) for name, rule in RULES.items()]
    lines = ["## What must not happen", "", *_table(("violation", "meaning", "times"), rules)]
    for name, found in verdict.violations.items():
        lines += [f"- {name}: {words}" for words in found[:_EXAMPLES]]
    figures = [(name, f"{value:g}") for name, value in verdict.figures.items()]
    lines += ["", "## What happened", "", *_table(("figure", "value"), figures)]
    if verdict.faults:
        damages = [
            (
                name,
                ABOUT[name],
                str(each.count),
                str(each.cut_off),
                f"{each.slowest_s:.1f}" if each.cut_off else "",
            )
            for name, each in sorted(verdict.faults.items())
        ]
        head = ("fault", "meaning", "times", "runs cut off", "slowest to run again, s")
        lines += ["", "## What was done to it", "", *_table(head, damages)]
    return lines


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))} |"

    return [line(head), f"|{'|'.join('-' * (width + 2) for width in widths)}|", *map(line, rows)]
