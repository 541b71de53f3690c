"""Tables, verdicts and the plot, from figures that are given."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.bench.contender import PROGRAMS, read_contenders
from tests.bench.parts.all import PARTS
from tests.bench.report.findings import Findings
from tests.bench.report.page import END, START, page, write
from tests.bench.report.plot import plot
from tests.bench.report.table import number
from tests.bench.report.targets import TARGETS


@pytest.fixture
def findings() -> Findings:
    """Two repetitions of two rows, of jobd, a floor and two peers."""
    contenders = read_contenders()
    found = Findings([contenders[name] for name in ("jobd", "claim", "bullmq", "huey")], PARTS)
    for times in (1, 3):
        found.add(contenders["jobd"], {"drain": 20_000 * times, "start_p50": 1.0})
        found.add(contenders["claim"], {"drain": 50_000 * times})
        found.add(contenders["bullmq"], {"drain": 5_000 * times, "start_p50": 2.0})
        found.add(contenders["huey"], {"drain": 2_000 * times, "start_p50": 0.5})
    return found


def test_the_table_has_medians_and_ratios(findings: Findings) -> None:
    lines = page("about", findings).splitlines()
    assert "| **jobd** | 40,000 |" in lines
    assert "| BullMQ | 10,000 |" in lines
    assert "| *jobd × best peer* | 4.00 |" in lines
    assert "| *jobd × floor* | 0.40 |" in lines
    assert "| *jobd × best peer* | 2.00 |" in lines  # the best peer is the one with the shortest time


def test_targets_are_judged_as_far_as_they_were_measured(findings: Findings) -> None:
    text = page("about", findings)
    assert "| drain, times BullMQ | ≥ 4 | 4 | yes |" in text
    assert "| drain, times the best Python peer | ≥ 10 | 10 | yes |" in text
    assert "| enqueue to start, p50, ms | ≤ 0.7 | 1 | **no** |" in text
    assert "two workers" not in text


def test_every_target_speaks_of_rows_that_are_measured() -> None:
    contenders = list(read_contenders().values())
    everything = Findings(contenders, PARTS)
    for contender in contenders:
        everything.add(contender, {row.name: 1.0 for row in everything.rows()})
    assert [target.text for target in TARGETS if target.measured(everything) is None] == []


def test_the_report_goes_between_the_marks_of_a_page(findings: Findings, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"# Title\n\n{START}old\n{END}\n\nEnd.\n")
    write(path, "about", findings)
    write(path, "about", findings)
    text = path.read_text()
    assert text.startswith(f"# Title\n\n{START}\nabout\n")
    assert text.endswith(f"{END}\n\nEnd.\n")
    assert "old" not in text
    assert text.count("### Who took part") == 1


def test_the_plot_is_an_svg_with_a_bar_for_each_figure_of_a_queue(findings: Findings) -> None:
    root = ET.fromstring(plot(findings))
    bars = [bar for bar in root.iter("{http://www.w3.org/2000/svg}rect") if bar.get("rx")]
    assert len(bars) == 6


def test_numbers_have_as_many_digits_as_mean_something() -> None:
    assert [number(figure) for figure in (None, 0.12345, 12.345, 999.4, 12_345.6)] == [
        "–",
        "0.123",
        "12.3",
        "999",
        "12,350",
    ]


def test_every_contender_has_its_program_and_says_how_it_acknowledges() -> None:
    for contender in read_contenders().values():
        assert (PROGRAMS / contender.program).exists()
        assert contender.acknowledgement
        assert contender.settings
        assert contender.kind != "peer" or contender.version, f"{contender.name}: its first package has no version"


def test_no_row_is_measured_by_two_parts() -> None:
    names = [row.name for part in PARTS for row in part.rows]
    assert len(names) == len(set(names))
