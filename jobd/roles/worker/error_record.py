"""What is kept of an error: text only, bounded, whatever the error is made of."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import CodeType, FrameType, TracebackType

from jobd.domain.outcome import ErrorRecord
from jobd.domain.signals import Signal

LONGEST_MESSAGE = 4_096
LONGEST_TRACEBACK = 16_384
MOST_PLACES = 1_000
_known: dict[tuple[int, int], tuple[CodeType, str]] = {}
"""how places look in a traceback, by the identity of their code, which they keep: to hash code is to hash all in it"""
_SAID_AT_LENGTH = (SyntaxError, NameError, AttributeError, ImportError)
"""Python shows where it is in the text, or what may have been meant"""
_UNUSUAL = (BaseExceptionGroup, RecursionError)
_OURS = ("jobd.roles.worker.", "jobd.domain.payload")


def record(error: BaseException, *, traced: bool = True, own: str = "") -> ErrorRecord:
    """The record of an error; with its traceback from the handler on if `traced`. `own` is the module of the handler:
    what is in the same package is its author's."""
    kind = type(error)
    name = kind.__name__ if isinstance(error, Signal) or kind.__module__ == "builtins" else _full_name(kind)
    kept = ErrorRecord(type=name, message=words_of(error)[:LONGEST_MESSAGE])
    if traced:
        steps = _from_handler_on(error.__traceback__)
        kept["traceback"] = _shortened(_traceback(error, steps))
        if at := _last_own(steps, own):
            kept["at"] = at
    return kept


def words_of(error: BaseException) -> str:
    """What an error says."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  an error that cannot even say what it is
        return f"<{type(error).__name__} without words>"


def _traceback(error: BaseException, steps: TracebackType | None) -> str:
    try:
        if steps is None or error.__cause__ or error.__context__ or isinstance(error, _UNUSUAL):
            return "".join(traceback.format_exception(type(error), error, steps))
        passed = map(_shown, _walk(steps))
        return "".join(["Traceback (most recent call last):\n", *passed, _last_words(error)])
    except Exception as trouble:  # noqa: BLE001  the parts of an error may be as broken as the error
        return f"<no traceback: {type(trouble).__name__} while it was written>"


def _last_words(error: BaseException) -> str:
    """What it is, and what it says, as Python writes it."""
    kind = type(error)
    if isinstance(error, _SAID_AT_LENGTH) or hasattr(error, "__notes__"):
        return "".join(traceback.format_exception_only(error))
    try:
        said = str(error)
    except Exception:  # noqa: BLE001  Python has words for one that has none
        return "".join(traceback.format_exception_only(error))
    name = kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else _full_name(kind)
    return f"{name}: {said}\n" if said else f"{name}\n"


def _walk(steps: TracebackType | None) -> Iterator[TracebackType]:
    """The steps of a traceback."""
    while steps is not None:
        yield steps
        steps = steps.tb_next


def _shown(step: TracebackType) -> str:
    """The lines of one step. Errors come from the same places again and again, and to read and parse the source takes
    longer than many a handler."""
    code = step.tb_frame.f_code
    place = id(code), step.tb_lasti
    known = _known.get(place)
    if known is None:
        if len(_known) >= MOST_PLACES:
            _known.clear()
        known = _known[place] = code, "".join(traceback.format_tb(step, limit=1))
    return known[1]


def _last_own(steps: TracebackType | None, own: str) -> str:
    """The last function of the handler's package that the error passed, else the last one of all; not ours."""
    package = own.partition(".")[0]
    last = last_own = None
    for step in _walk(steps):
        last = step.tb_frame
        if _module(last).partition(".")[0] == package:
            last_own = last
    frame = last_own or last
    return f"{_module(frame)}:{frame.f_code.co_qualname}" if frame is not None else ""


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _from_handler_on(steps: TracebackType | None) -> TracebackType | None:
    """The part that is not ours; all of it if the error is."""
    step = steps
    while step is not None and _module(step.tb_frame).startswith(_OURS):
        step = step.tb_next
    return step or steps


def _shortened(lines: str) -> str:
    """The first lines say who called, the last ones what broke: when there are too many, the middle goes."""
    if len(lines) <= LONGEST_TRACEBACK:
        return lines
    half = LONGEST_TRACEBACK // 2
    return f"{lines[:half]}\n  … {len(lines) - 2 * half} characters left out …\n{lines[-half:]}"


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
