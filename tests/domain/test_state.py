from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.state import ALIASES, ENDED, MOVES, UNSTARTED, State, parse_states
from jobd.errors import InvalidRequest


def test_every_state_can_be_reached_from_the_start() -> None:
    reached: set[State] = set()
    ahead: list[State | None] = [None]
    while ahead:
        for state in MOVES[ahead.pop()].values():
            if state not in reached:
                reached.add(state)
                ahead.append(state)
    assert reached == set(State)


def test_every_state_has_its_moves_in_the_table() -> None:
    assert set(MOVES) == {None, *State}
    assert {State.ACTIVE, *UNSTARTED, *ENDED} == set(State)


def test_a_job_that_has_ended_leaves_its_state_only_by_hand() -> None:
    for state in ENDED:
        assert MOVES[state]["retry by hand"] is State.WAITING
        assert MOVES[state].keys() <= {"retry by hand", "move"}


def test_every_job_that_has_not_started_can_be_cancelled() -> None:
    assert {state for state in State if MOVES[state].get("cancel") is State.CANCELLED} == UNSTARTED


def test_only_a_fetch_makes_a_job_active() -> None:
    ways = [(state, move) for state, moves in MOVES.items() for move, to in moves.items() if to is State.ACTIVE]
    assert ways == [(State.WAITING, "fetch")]


@pytest.mark.parametrize("state", State)
def test_a_state_means_itself(state: State) -> None:
    assert parse_states(state) == {state}
    assert parse_states(f" {state.upper()} ") == {state}


@pytest.mark.requirement("2.1")
@pytest.mark.parametrize(
    ("word", "states"),
    [
        ("pending", UNSTARTED),
        ("processing", {State.ACTIVE}),
        ("running", {State.ACTIVE}),
        ("succeeded", {State.COMPLETED}),
        ("queued", {State.WAITING}),
        ("scheduled", {State.DELAYED}),
        ("dead", {State.FAILED}),
        ("canceled", {State.CANCELLED}),
        ("waiting_children", {State.BLOCKED}),
        ("waiting-children", {State.BLOCKED}),
        ("all", set(State)),
    ],
)
def test_words_that_people_use_mean_states(word: str, states: set[State]) -> None:
    assert parse_states(word) == states


def test_no_alias_hides_a_state_or_means_nothing() -> None:
    assert not set(ALIASES) & set(State)
    for word, states in ALIASES.items():
        assert states
        assert parse_states(word) == states


@given(st.text(max_size=20))
def test_any_other_word_is_refused_with_the_states_there_are(word: str) -> None:
    known = word.strip().lower().replace("_", "-") in {*State, *ALIASES}
    try:
        assert parse_states(word)
        assert known
    except InvalidRequest as error:
        assert not known
        assert all(name in str(error) for name in State)  # noqa: PT017  what a refusal says


def test_a_word_that_is_misspelt_is_answered_with_the_one_that_is_meant() -> None:
    with pytest.raises(InvalidRequest, match=r"'waitign'; did you mean waiting\? There are waiting, "):
        parse_states("waitign")
    with pytest.raises(InvalidRequest, match=r"'xyzzy'; there are waiting, "):
        parse_states("xyzzy")
