"""What is kept of an error: the traceback reads as Python writes it, the first time and each time after."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import pytest

import jobd
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


def _for_a_reason_that_was_never_raised() -> None:
    raise TypeError("for a reason") from ValueError("never raised")


class _Own(Exception): ...


def _of_a_kind_of_its_own() -> None:
    raise _Own("kind")


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
        *(_for_a_reason_that_was_never_raised, _of_a_kind_of_its_own),
    ],
)
def test_a_traceback_reads_as_python_writes_it_again_and_again(fails: Callable[[], object]) -> None:
    for _ in range(2):
        error = _raised(fails)
        assert record(error)["traceback"] == "".join(traceback.format_exception(error))


def test_an_error_that_was_never_raised_has_no_steps() -> None:
    assert record(ValueError("bare"))["traceback"] == "ValueError: bare\n"


def _call_from(module: str, calls: Callable[[], object]) -> Callable[[], object]:
    """A function of a module of this name, which does nothing but call."""
    names: dict[str, Any] = {"__name__": module, "calls": calls}
    exec("def call(): calls()", names)
    call: Callable[[], object] = names["call"]
    return call


def _raised_in(call: Callable[[], object]) -> Exception:
    """What this raises, as whoever called it sees it."""
    error = _raised(call)
    assert error.__traceback__ is not None
    return error.with_traceback(error.__traceback__.tb_next)


def test_the_steps_of_the_worker_are_left_out_unless_the_error_is_its_own() -> None:
    handler = _call_from("jobd.roles.worker.calls", _call_from("shop.orders", _plain))
    assert record(_raised_in(handler))["traceback"].count("in call") == 1
    ours = ValueError("ours").with_traceback(_of_one_step(_raised_in(handler)))
    assert record(ours)["traceback"].count("in call") == 1


def _of_one_step(error: Exception) -> Any:
    first = error.__traceback__
    assert first is not None
    return type(first)(None, first.tb_frame, first.tb_lasti, first.tb_lineno)


def test_where_it_was_is_the_last_function_of_the_package_of_the_handler_or_else_of_all() -> None:
    def at(own: str) -> str:
        return record(_raised_in(_call_from("shop.orders", _call_from("shop.prices", _plain))), own=own)["at"]

    assert at("shop.handlers") == "shop.prices:call"
    assert at("other") == at("") == f"{__name__}:_plain"
    assert "at" not in record(ValueError("never raised"))


def test_its_type_is_named_as_people_know_it_and_one_that_needs_no_trace_has_none() -> None:
    kinds = jobd.Fail("no"), KeyError("no"), _Own("no")
    assert [record(error)["type"] for error in kinds] == ["Fail", "KeyError", f"{__name__}._Own"]
    assert record(_raised_in(_plain), traced=False) == {"type": "ValueError", "message": "plain"}


def test_of_a_traceback_that_is_too_long_the_middle_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = record(error := _raised_in(_plain))["traceback"]
    monkeypatch.setattr(error_record, "LONGEST_TRACEBACK", len(whole))
    assert record(error)["traceback"] == whole
    monkeypatch.setattr(error_record, "LONGEST_TRACEBACK", longest := len(whole) // 2 * 2 - 2)
    cut = record(error)["traceback"]
    assert f"… {len(whole) - longest} characters left out …" in cut
    assert (cut[:40], cut[-40:]) == (whole[:40], whole[-40:])


def test_of_very_many_places_only_the_latest_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_record, "MOST_PLACES", 3)
    monkeypatch.setattr(error_record, "_known", {})
    for fails in (_in_one_of_two_calls, _with_notes, _for_a_reason) * 2:
        error = _raised(fails)
        assert record(error)["traceback"] == "".join(traceback.format_exception(error))
        assert len(error_record._known) <= 3
