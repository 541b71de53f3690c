"""How long a place in the crew stays empty."""

from __future__ import annotations

import pytest

from jobd.errors import RoleError
from jobd.roles.worker.succession import (
    FIRST_PAUSE_S,
    LONG_LIFE_S,
    LONGEST_PAUSE_FOR_JOBS_S,
    LONGEST_PAUSE_S,
    MOST_FALSE_STARTS,
    Succession,
)


def test_the_pauses_double_up_to_half_a_minute_while_children_die_young() -> None:
    succession = Succession()
    pauses = [succession.pause_after(0.5, had_jobs=False) for _ in range(12)]
    assert pauses[:4] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S, 8 * FIRST_PAUSE_S]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S == 30
    assert [succession.pause_after(0, had_jobs=False) for _ in range(2_000)][-1] == LONGEST_PAUSE_S


def test_a_child_that_lived_for_a_minute_begins_anew() -> None:
    succession = Succession()
    for _ in range(9):
        succession.pause_after(0.5, had_jobs=False)
    assert succession.pause_after(LONG_LIFE_S, had_jobs=False) == FIRST_PAUSE_S
    assert succession.died_young == 0
    assert succession.pause_after(0.5, had_jobs=False) == FIRST_PAUSE_S


def test_after_a_child_that_died_of_a_job_the_pause_is_never_long() -> None:
    succession = Succession()
    assert max(succession.pause_after(0.5, had_jobs=True) for _ in range(50)) == LONGEST_PAUSE_FOR_JOBS_S


def test_a_place_that_nobody_has_taken_is_given_up_when_there_is_no_hope_or_after_many_false_starts() -> None:
    succession = Succession()
    with pytest.raises(RoleError, match=r"^a worker process could not begin: no such file$"):
        succession.may_begin_again("no such file", hopeless=True)
    for _ in range(MOST_FALSE_STARTS - 1):
        succession.pause_after(0.0, had_jobs=False)
        succession.may_begin_again("killed", hopeless=False)
    succession.pause_after(0.0, had_jobs=False)
    with pytest.raises(RoleError, match=r"^no worker process could begin, 10 in a row; the last one: killed$"):
        succession.may_begin_again("killed", hopeless=False)
