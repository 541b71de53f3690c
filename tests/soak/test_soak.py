"""The long run, made short; and that it would tell what is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak.run import Soak, runs
from tests.soak.verdict import Sample, faults, page

FLAT = [Sample(100 * at, 9.0, 10**8, {"worker": 10**8, "API": 10**8, "server": 10**8}) for at in range(1, 11)]


def test_a_run_in_which_all_is_well_says_so() -> None:
    assert faults(FLAT, Counter({1: 1_000}), 1_000) == []
    assert "nothing grew" in page(FLAT, [])


@pytest.mark.parametrize(
    ("last", "ran", "said"),
    [
        (FLAT[-1], {1: 999, 2: 1}, "how often"),
        (FLAT[-1], {0: 1, 1: 999}, "how often"),
        (replace(FLAT[-1], used=2 * 10**8), {1: 1_000}, "server's data grew"),
        (replace(FLAT[-1], rss={**FLAT[-1].rss, "worker": 2 * 10**8}), {1: 1_000}, "worker grew"),
        (replace(FLAT[-1], rss={**FLAT[-1].rss, "API": 2 * 10**8}), {1: 1_000}, "API grew"),
    ],
)
def test_what_is_wrong_is_told(last: Sample, ran: dict[int, int], said: str) -> None:
    (fault,) = faults([*FLAT[:-1], last], Counter(ran), 1_000)
    assert said in fault


def test_runs_are_counted_from_the_journal(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"".join(number.to_bytes(4) for number in (0, 1, 1, 3)))
    assert runs(tmp_path / "journal", 4) == {0: 1, 1: 2, 2: 1}


@pytest.mark.long
async def test_of_ten_thousand_jobs_each_runs_once(tmp_path: Path) -> None:
    assert await Soak(10_000, tmp_path, print).run() == {1: 10_000}
