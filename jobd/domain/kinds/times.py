"""Lengths of time, and moments."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from jobd.domain.calendar import parse_time
from jobd.domain.duration import LONGEST_MS, milliseconds
from jobd.domain.kinds.kind import Kind, any_of, text
from jobd.domain.plain_json import named
from jobd.domain.when import When
from jobd.errors import OptionError

_NUMBER = re.compile(r"\d+(\.\d+)?", re.ASCII)
_A_DURATION = text(r"^\s*([0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d|w)\s*)+$", "5s", "1h30m")


def duration(*, least: int = 0) -> Kind:
    """Lengths of time, in JSON whole milliseconds; `least` milliseconds or more."""

    def parse(value: Any, name: str) -> int:
        return milliseconds(value, name=name, least=least)

    def in_json(value: Any, name: str) -> int:
        return milliseconds_in_json(value, least)

    def from_text(text: Any, name: str) -> int:
        return parse(seconds_or_text(text), name)

    schema = any_of({"type": "integer", "minimum": least, "maximum": LONGEST_MS}, _A_DURATION)
    return Kind(
        metavar="DURATION",
        parse=parse,
        from_json=in_json,
        from_text=from_text,
        from_record=_whole_milliseconds,
        unit="_ms",
        schema=schema,
    )


def _whole_milliseconds(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise OptionError(f"{value!r} is not a whole number of milliseconds")
    return value


def milliseconds_in_json(value: Any, least: int = 0) -> int:
    """Numbers are milliseconds here, and the sentences say so."""
    try:
        if isinstance(value, str):
            return milliseconds(value, least=least)
        if isinstance(value, int) and not isinstance(value, bool):
            return milliseconds(value / 1_000, least=least)
    except (OptionError, OverflowError):
        raise OptionError(
            f"{value!r} is neither a number of milliseconds from {least} to ten years nor a text such as 5s, 10m, 1h30m"
        ) from None
    raise OptionError(f"this is {named(value)}, not a whole number of milliseconds")


def seconds_or_text(text: str) -> float | str:
    """A plain number as seconds, any other text as it is."""
    return float(text) if _NUMBER.fullmatch(text) else text


def _moment(value: Any, name: str) -> int:
    if not isinstance(value, datetime):
        raise OptionError(f"{name}: {value!r} is not a datetime")
    if value.tzinfo is None:
        raise OptionError(f"{name}: {value.isoformat()} has no time zone; add one, such as datetime.now(UTC)")
    return max(0, round(value.timestamp() * 1_000))


def _moment_in_json(value: Any, name: str) -> int:
    try:
        return _moment(parse_time(value), name)
    except ValueError as error:
        raise OptionError(str(error)) from None


def _moment_in_text(text: Any, name: str) -> int:
    return _moment(moment_in_text(text, name), name)


def moment_in_text(text: str, name: str) -> datetime:
    """The moment that a text of a command line names. Raises OptionError with an example."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise OptionError(f"{name}: {text!r} is not a time such as 2026-01-31T08:00:00Z") from None
    if moment.tzinfo is None:
        raise OptionError(f"{name}: {text!r} has no time zone; put Z (UTC) or an offset such as +01:00 behind it")
    return moment


MOMENT = Kind(
    metavar="TIME",
    parse=_moment,
    from_json=_moment_in_json,
    from_text=_moment_in_text,
    schema=text("^[0-9]{4}-", "2026-01-31T08:00:00Z"),
)


def _when(value: Any, name: str) -> When:
    return When.parse(value, name)


def _when_in_text(text: Any, name: str) -> When:
    return When.parse(seconds_or_text(text), name) if _NUMBER.fullmatch(text) else When.from_text(text, name)


WHEN = Kind(
    metavar="DURATION|TIME",
    parse=_when,
    from_json=When.from_text,
    from_text=_when_in_text,
    to_json=When.to_json,
    from_record=lambda text: When.from_text(text, "time"),
    schema=text("^\\s*[0-9]", "10m", "2026-01-31T08:00:00Z"),
)
