"""What is kept of an error: the traceback reads as Python writes it, the first time and each time after."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest

from jobd.roles.worker import error_record
from jobd.roles.worker.error_record import record


def _plain() -> None:
    raise ValueError("plain")


def _in_one_of_two_calls(second: bool = True) -> None:
    _nothing() if not second else _plain()


def _nothing() -> None: ...


def _with_notes() -> None:
    error = KeyError("noted")
    error.add_note("two\nlines")
    raise error


def _for_a_reason() -> None:
    try:
        _plain()
    except ValueError as error:
        raise TypeError("for a reason") from error


def _while_another_is_handled() -> None:
    try:
        _plain()
    finally:
        _with_notes()


def _for_no_reason() -> None:
    try:
        _plain()
    except ValueError:
        raise TypeError("for no reason") from None


def _of_a_name_that_is_like_another() -> None:
    exec("tracebak")


def _of_an_attribute() -> None:
    traceback.format_exceptio()  # type: ignore[attr-defined]  # misspelt, so that Python says what was meant


def _without_a_word() -> None:
    raise ValueError


class _Mute(Exception):
    def __str__(self) -> str:
        raise TypeError("no words")


def _that_cannot_say_a_word() -> None:
    raise _Mute


def _as_a_group() -> None:
    raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])


def _without_end() -> None:
    _without_end()


def _of_syntax() -> None:
    exec("1 +")


def _raised(fails: Callable[[], object]) -> Exception:
    try:
        fails()
    except Exception as error:  # noqa: BLE001  of all kinds
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    "fails",
    [
        *(_plain, _in_one_of_two_calls, _with_notes, _for_a_reason, _while_another_is_handled, _for_no_reason),
        *(_of_a_name_that_is_like_another, _of_an_attribute, _without_a_word, _that_cannot_say_a_word),
        *(_as_a_group, _without_end, _of_syntax, lambda: int("none")),
    ],
)
def test_a_traceback_reads_as_python_writes_it_again_and_again(fails: Callable[[], object]) -> None:
    for _ in range(2):
        error = _raised(fails)
        assert record(error)["traceback"] == "".join(traceback.format_exception(error))


def test_an_error_that_was_never_raised_has_no_steps() -> None:
    assert record(ValueError("bare"))["traceback"] == "ValueError: bare\n"


def test_of_very_many_places_only_the_latest_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_record, "MOST_PLACES", 3)
    monkeypatch.setattr(error_record, "_known", {})
    for fails in (_in_one_of_two_calls, _with_notes, _for_a_reason) * 2:
        error = _raised(fails)
        assert record(error)["traceback"] == "".join(traceback.format_exception(error))
        assert len(error_record._known) <= 3
