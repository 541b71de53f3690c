"""The report tells what was seen, and the page of the docs what can be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.chaos.checker import RULES, Damage, Verdict
from tests.chaos.nemesis import KINDS, FaultKind
from tests.chaos.report import Proof, Report
from tests.chaos.sabotage import SABOTAGES, Sabotage
from tests.chaos.stage import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text()


def verdict(*broken: str, enough: bool = True) -> Verdict:
    violations = {name: [f"{name} it was"] * (name in broken) for name in RULES}
    return Verdict(violations, {"accepted": 7}, {"reset": Damage(2, 1, 3.25)}, enough)


def test_what_was_violated_is_told_with_an_example() -> None:
    report = Report(["seed 7"], [], verdict("lost", "torn"))
    assert not report.good
    assert report.words == "VIOLATED: lost, torn"
    assert "- torn: torn it was" in report.text()


def test_a_clean_run_is_told_with_what_was_done_to_it() -> None:
    report = Report(["seed 7"], [Proof(SABOTAGES["no-order"], verdict("out-of-order"))], verdict())
    assert report.good
    assert report.words == "VALID: no violation"
    assert re.search(r"\| reset +\| all lines break +\| 2 +\| 1 +\| 3.2 ", report.text())
    assert re.search(r"\| no-order .* \| yes, 1 times", report.text())


def test_a_run_with_too_few_jobs_is_no_proof() -> None:
    report = Report([], [], verdict(enough=False))
    assert not report.good
    assert report.words.startswith("UNKNOWN")


def test_a_sabotage_that_was_not_seen_for_what_it_is_makes_all_of_it_invalid() -> None:
    report = Report([], [Proof(SABOTAGES["no-order"], verdict("lost"))], verdict())
    assert not report.good
    assert report.words == "INVALID: the checker did not see what was broken: no-order"


def test_a_page_that_has_marks_gets_the_report_between_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    report = Report(["seed 7"], [], verdict())
    report.write(page)
    assert page.read_text() == report.text()
    page.write_text("# Before\n\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n")
    for _ in range(2):
        report.write(page)
        assert page.read_text().startswith("# Before\n\n<!-- figures -->\nseed 7\n\n### What must not happen\n")
        assert page.read_text().endswith("\n**VALID: no violation**\n<!-- /figures -->\nafter\n")


@pytest.mark.parametrize("name", [*RULES, *KINDS, *SABOTAGES])
def test_the_docs_say_what_is_looked_for_and_how(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("each", [*KINDS.values(), *SABOTAGES.values()], ids=lambda each: each.name)
def test_the_docs_say_it_as_the_program_does(each: FaultKind | Sabotage) -> None:
    assert f"| `{each.name}` | {each.about} |" in PAGE
