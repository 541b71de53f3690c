"""Verdicts, cut into what one script may move."""

from __future__ import annotations

import pytest

from jobd.domain.settle import COMPLETED, Verdict
from jobd.domain.state import State
from jobd.store.intake_words import BATCH
from jobd.store.settlement import Settlement, in_order, portions, verdict_words
from tests.store.hands import new_job

CHILD = new_job("child")


@pytest.mark.parametrize(
    ("children", "sizes"),
    [
        ([], [0]),
        ([0], [1]),
        ([0] * BATCH, [BATCH]),
        ([0] * (BATCH + 1), [BATCH, 1]),
        ([0] * (2 * BATCH + 1), [BATCH, BATCH, 1]),
        ([BATCH - 2, 0, 0], [2, 1]),
        ([BATCH - 1, 0], [1, 1]),
        ([2 * BATCH], [1]),
        ([2 * BATCH, 0, 0], [1, 2]),
        ([0, 2 * BATCH, 0], [1, 1, 1]),
        ([0, BATCH - 1, BATCH - 1], [1, 1, 1]),
    ],
)
def test_a_portion_has_no_more_than_one_script_moves_unless_one_job_alone_has(
    children: list[int], sizes: list[int]
) -> None:
    settlements = [
        Settlement(f"j{number}", number, COMPLETED, children=[CHILD] * count) for number, count in enumerate(children)
    ]
    cut = portions(settlements)
    assert [len(portion) for portion in cut] == sizes
    assert [item for portion in cut for item in portion] == settlements


def test_answers_are_put_where_their_settlements_stood() -> None:
    assert in_order(b"102", [2, 0, 1]) == [0, 2, 1]


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (COMPLETED, ("c", "+0")),
        (Verdict(State.DELAYED, delay_ms=5), ("d", "+5")),
        (Verdict(State.DELAYED, until_ms=7_000, spent=False), ("du", "7000")),
        (Verdict(State.WAITING, spent=False, suspect=True), ("wus", "+0")),
        (Verdict(State.WAITING, spent=False, suspect=True, crashed=True), ("wusk", "+0")),
        (Verdict(State.WAITING, delay_ms=5, spent=False, holds_rate=True), ("wul", "+5")),
        (Verdict(State.WAITING, spent=False, begun=False), ("wun", "+0")),
        (Verdict(State.FAILED, crashed=True, poison=True), ("fk", "+0")),
    ],
)
def test_a_verdict_is_told_in_letters(verdict: Verdict, words: tuple[str, str]) -> None:
    assert verdict_words(verdict) == words
