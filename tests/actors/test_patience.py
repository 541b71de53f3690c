from __future__ import annotations

from jobd.actors.patience import Crashes, Patience


def test_pauses_double_up_to_the_longest() -> None:
    crashes = Crashes(Patience(crashes=5, first_pause=0.1, longest_pause=0.5))
    pauses = []
    for now in range(5):
        crashes.add(now)
        pauses.append(crashes.pause)
    assert pauses == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_the_crash_past_the_limit_is_too_many() -> None:
    crashes = Crashes(Patience(crashes=2, window=60))
    crashes.add(0)
    crashes.add(1)
    assert not crashes.too_many
    crashes.add(2)
    assert crashes.too_many


def test_what_is_older_than_the_window_is_forgiven() -> None:
    crashes = Crashes(Patience(crashes=2, window=60, first_pause=0.1))
    for now in (0, 1, 60):
        crashes.add(now)
    assert not crashes.too_many
    assert crashes.pause == 0.2


def test_without_patience_the_first_crash_is_too_many() -> None:
    crashes = Crashes(Patience(crashes=0))
    crashes.add(0)
    assert crashes.too_many


def test_thousands_of_crashes_have_a_pause_and_little_memory() -> None:
    crashes = Crashes(Patience(crashes=5000, longest_pause=5))
    for _ in range(10_000):
        crashes.add(0)
    assert crashes.pause == 5
