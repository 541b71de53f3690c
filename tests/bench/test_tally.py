"""The file that all programs of a measurement share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.programs.tally import FIRST, LAST, Tally


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    return Tally.create(tmp_path / "tally", 3)


def test_what_one_program_notes_another_one_sees(tally: Tally, tmp_path: Path) -> None:
    other = Tally(tmp_path / "tally")
    assert other.ran(1) == 1
    assert other.ran(1) == 2
    assert tally.runs() == [0, 2, 0]
    first, last = tally.times(FIRST)[1], tally.times(LAST)[1]
    assert 0 < first <= last


def test_done_counts_from_the_first_job_without_a_gap(tally: Tally) -> None:
    tally.ran(0)
    tally.ran(2)
    assert tally.done() == 1
    tally.ran(1)
    assert tally.done() == 3


def test_delays_are_from_the_call_to_the_first_start(tally: Tally) -> None:
    for number in range(3):
        tally.called(number)
        tally.ran(number)
    before = tally.delays_ms(1)
    tally.ran(1)
    assert tally.delays_ms(1) == before
    assert len(before) == 2
    assert min(before) >= 0
