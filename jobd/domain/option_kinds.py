"""The kinds of values that options have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from jobd.domain.backoff import WORDS, Backoff
from jobd.domain.calendar import parse_time
from jobd.domain.duration import LONGEST_MS, milliseconds
from jobd.domain.isolation import Isolation
from jobd.domain.keep import Keep
from jobd.domain.kind import Kind as Kind
from jobd.domain.lane_key import check_key
from jobd.domain.names import check_queue_name
from jobd.domain.plain_json import from_json, named
from jobd.domain.priority import NAMES, parse_priority
from jobd.domain.rate import Rate
from jobd.domain.unique import Unique
from jobd.domain.when import When
from jobd.errors import OptionError

MOST_TAGS = 32
LONGEST_TAG = 255
_NUMBER = re.compile(r"\d+(\.\d+)?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,18}", re.ASCII)

_OBJECT: Mapping[str, Any] = {"type": "object"}


def _text(pattern: str, *examples: str) -> Mapping[str, Any]:
    return {"type": "string", "pattern": pattern, "examples": list(examples)}


_A_DURATION = _text(r"^\s*([0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d|w)\s*)+$", "5s", "1h30m")


def _any_of(*schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"anyOf": list(schemas)}


# --- names, numbers, texts -----------------------------------------------------------------------------------------


def _queue_name(value: Any, name: str) -> str:
    return check_queue_name(value, option=name)


_QUEUE = _text("^[a-z0-9][a-z0-9_-]{0,127}$")
QUEUE_NAME = Kind(metavar="NAME", parse=_queue_name, from_json=_queue_name, from_text=_queue_name, schema=_QUEUE)


def _priority(value: Any, name: str) -> int:
    return parse_priority(value, name=name)


def _priority_in_json(value: Any, name: str) -> int:
    if not isinstance(value, int | str):
        raise OptionError(f"this is {named(value)}, neither a number from 1 to 10 nor a name")
    return parse_priority(value, name=name)


PRIORITY = Kind(
    metavar="1-10|NAME",
    parse=_priority,
    from_json=_priority_in_json,
    from_text=_priority,
    schema=_any_of({"type": "integer", "minimum": 1, "maximum": 10}, {"type": "string", "examples": list(NAMES)}),
)


def whole(least: int, most: int) -> Kind:
    """Whole numbers from `least` to `most`."""

    def parse(value: Any, name: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise OptionError(f"{name}: {value!r} is not a whole number from {least} to {most}")
        return value

    def from_text(text: Any, name: str) -> int:
        return parse(int(text) if _WHOLE_NUMBER.fullmatch(text.strip()) else text, name)

    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Kind(metavar="N", parse=parse, from_json=parse, from_text=from_text, schema=schema)


KEY = Kind(
    metavar="KEY", parse=check_key, from_json=check_key, from_text=check_key, schema={"type": "string", "minLength": 1}
)


def _yes(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise OptionError(f"{name}: {value!r} is neither true nor false")
    return value


def _yes_in_text(text: Any, name: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    return _yes(words.get(text.strip().lower(), text), name)


YES = Kind(metavar="true|false", parse=_yes, from_json=_yes, from_text=_yes_in_text, schema={"type": "boolean"})
KEEP = Kind(
    metavar="N|DURATION|N for DURATION",
    parse=Keep.parse,
    from_json=Keep.parse,
    from_text=lambda text, name: Keep.parse(int(text) if _WHOLE_NUMBER.fullmatch(str(text).strip()) else text, name),
    to_json=Keep.to_json,
    from_record=Keep.parse,
    schema=_any_of({"type": "integer", "minimum": 0}, {"type": "string"}, _OBJECT),
)


def one_of(*words: str) -> Kind:
    """One of these words."""

    def parse(value: Any, name: str) -> str:
        if not isinstance(value, str) or value.strip().lower() not in words:
            raise OptionError(f"{name}: {value!r} is not one of {', '.join(words)}")
        return value.strip().lower()

    schema = {"type": "string", "examples": list(words)}
    return Kind(metavar="|".join(words), parse=parse, from_json=parse, from_text=parse, schema=schema)


RATE = Kind(
    metavar="N/DURATION[/BURST]",
    parse=Rate.parse,
    from_json=Rate.parse,
    from_text=Rate.parse,
    to_json=Rate.to_json,
    from_record=Rate.parse,
    schema=_any_of({"type": "string", "pattern": "^\\s*[0-9]+\\s*/", "examples": ["100/1m"]}, _OBJECT),
)


ISOLATION = Kind(
    metavar="process|none|process memory=SIZE cpu=DURATION",
    parse=Isolation.parse,
    from_json=Isolation.parse,
    from_text=Isolation.parse,
    to_json=Isolation.to_json,
    from_record=Isolation.parse,
    schema=_any_of({"type": "string", "examples": ["process", "process memory=512MB cpu=30s", "none"]}, _OBJECT),
)


# --- time ----------------------------------------------------------------------------------------------------------


def duration(*, least: int = 0) -> Kind:
    """Lengths of time, in JSON whole milliseconds; `least` milliseconds or more."""

    def parse(value: Any, name: str) -> int:
        return milliseconds(value, name=name, least=least)

    def in_json(value: Any, name: str) -> int:
        return _milliseconds_in_json(value, least)

    def from_text(text: Any, name: str) -> int:
        return parse(seconds_or_text(text), name)

    schema = _any_of({"type": "integer", "minimum": least, "maximum": LONGEST_MS}, _A_DURATION)
    return Kind(metavar="DURATION", parse=parse, from_json=in_json, from_text=from_text, unit="_ms", schema=schema)


def _milliseconds_in_json(value: Any, least: int = 0) -> int:
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
    schema=_text("^[0-9]{4}-", "2026-01-31T08:00:00Z"),
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
    schema=_text("^\\s*[0-9]", "10m", "2026-01-31T08:00:00Z"),
)


# --- backoff -------------------------------------------------------------------------------------------------------


def _backoff(value: Any, name: str) -> Backoff:
    return Backoff.parse(value)


def _backoff_in_json(value: Any, name: str) -> Backoff:
    if isinstance(value, dict):
        return Backoff.parse(value)
    if isinstance(value, list):
        return Backoff.delays(*(timedelta(milliseconds=_milliseconds_in_json(delay)) for delay in value))
    if isinstance(value, str):
        if value.strip().lower() in WORDS:
            return Backoff.parse(value)
        try:
            return Backoff.parse(timedelta(milliseconds=_milliseconds_in_json(value)))
        except OptionError as error:
            raise OptionError(f"{error}, nor one of {', '.join(WORDS)}") from None
    raise OptionError(f"this is {named(value)}, not an object with kind, base_ms, cap_ms and jitter")


def _backoff_in_text(text: Any, name: str) -> Backoff:
    if text.lstrip().startswith(("{", "[")):
        value = from_json(text.encode())
        if value is None:
            raise OptionError(f"{name}: {text!r} is not JSON")
        return _backoff_in_json(value, name)
    delays = [seconds_or_text(part.strip()) for part in text.split(",")]
    return Backoff.parse(delays if len(delays) > 1 else delays[0])


BACKOFF = Kind(
    metavar="DURATION|WORD|JSON",
    parse=_backoff,
    from_json=_backoff_in_json,
    from_text=_backoff_in_text,
    to_json=Backoff.to_json,
    from_record=Backoff.parse,
    schema=_any_of({"type": "string", "examples": ["10s", *WORDS]}, {"type": "array", "minItems": 1}, _OBJECT),
)


# --- uniqueness ----------------------------------------------------------------------------------------------------


def _unique(value: Any, name: str) -> Unique | Literal[False]:
    return Unique.parse(value)


def _unique_in_text(text: Any, name: str) -> Unique | Literal[False]:
    words = text.strip()
    if words in ("true", "false"):
        return Unique.parse(words == "true")
    if not words.startswith(("{", "[")):
        return Unique.parse(text)
    value = from_json(words.encode())
    if value is None:
        raise OptionError(f"{name}: {text!r} is not JSON")
    return Unique.parse(value)


UNIQUE = Kind(
    metavar="true|KEY|JSON",
    parse=_unique,
    from_json=_unique,
    from_text=_unique_in_text,
    to_json=lambda unique: unique and unique.to_json(),
    from_record=Unique.from_record,
    schema=_any_of({"type": "boolean"}, {"type": "string", "minLength": 1}, {"type": "array"}, _OBJECT),
)


# --- many at once --------------------------------------------------------------------------------------------------


def _tags(values: Any, name: str) -> tuple[str, ...]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise OptionError(f"{name}: give a list of words, not {values!r}")
    tags: list[str] = []
    for tag in values:
        if not isinstance(tag, str) or not 0 < len(tag) <= LONGEST_TAG or not tag.isprintable():
            raise OptionError(f"{name}: {tag!r} is not a word of 1 to {LONGEST_TAG} printable characters")
        if tag not in tags:
            tags.append(tag)
        if len(tags) > MOST_TAGS:
            raise OptionError(f"{name}: these are too many; a job has up to {MOST_TAGS}")
    return tuple(tags)


def _tags_in_json(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise OptionError("this is not a list of texts")
    return _tags(value, name)


def _tags_in_text(text: Any, name: str) -> tuple[str, ...]:
    return _tags([word.strip() for word in text.split(",") if word.strip()], name)


TAGS = Kind(
    metavar="WORD",
    parse=_tags,
    from_json=_tags_in_json,
    from_text=_tags_in_text,
    to_json=list,
    from_record=tuple,
    many="words",
    schema={"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": LONGEST_TAG}},
)


def _facts(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise OptionError(f"{name}: give an object whose keys are texts")
    return dict(value)


def _facts_in_text(text: Any, name: str) -> Mapping[str, Any]:
    return _facts(from_json(text.encode()), name)


FACTS = Kind(
    metavar="KEY=TEXT",
    parse=_facts,
    from_json=_facts,
    from_text=_facts_in_text,
    to_json=dict,
    many="fields",
    schema=_OBJECT,
)
