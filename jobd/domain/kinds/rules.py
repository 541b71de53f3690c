"""How often, how long, how apart: rules that have a form of their own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from jobd.domain.backoff import WORDS, Backoff
from jobd.domain.isolation import Isolation
from jobd.domain.keep import Keep
from jobd.domain.kinds.kind import OBJECT, Kind, any_of
from jobd.domain.kinds.times import milliseconds_in_json, seconds_or_text
from jobd.domain.kinds.words import WHOLE_NUMBER
from jobd.domain.plain_json import from_json, named
from jobd.domain.rate import Rate
from jobd.domain.unique import Unique
from jobd.errors import OptionError


def _keep_in_text(text: Any, name: str) -> Keep:
    words = str(text).strip()
    return Keep.parse(int(words) if WHOLE_NUMBER.fullmatch(words) else text, name)


KEEP = Kind(
    metavar="N|DURATION|N for DURATION",
    parse=Keep.parse,
    from_json=Keep.parse,
    from_text=_keep_in_text,
    to_json=Keep.to_json,
    from_record=Keep.parse,
    schema=any_of({"type": "integer", "minimum": 0}, {"type": "string"}, OBJECT),
)
RATE = Kind(
    metavar="N/DURATION[/BURST]",
    parse=Rate.parse,
    from_json=Rate.parse,
    from_text=Rate.parse,
    to_json=Rate.to_json,
    from_record=Rate.parse,
    schema=any_of({"type": "string", "pattern": "^\\s*[0-9]+\\s*/", "examples": ["100/1m"]}, OBJECT),
)


ISOLATION = Kind(
    metavar="process|none|process memory=SIZE cpu=DURATION",
    parse=Isolation.parse,
    from_json=Isolation.parse,
    from_text=Isolation.parse,
    to_json=Isolation.to_json,
    from_record=Isolation.parse,
    schema=any_of({"type": "string", "examples": ["process", "process memory=512MB cpu=30s", "none"]}, OBJECT),
)


def _backoff(value: Any, name: str) -> Backoff:
    return Backoff.parse(value)


def _backoff_in_json(value: Any, name: str) -> Backoff:
    if isinstance(value, dict):
        return Backoff.parse(value)
    if isinstance(value, list):
        return Backoff.delays(*(timedelta(milliseconds=milliseconds_in_json(delay)) for delay in value))
    if isinstance(value, str):
        if value.strip().lower() in WORDS:
            return Backoff.parse(value)
        try:
            return Backoff.parse(timedelta(milliseconds=milliseconds_in_json(value)))
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
    schema=any_of({"type": "string", "examples": ["10s", *WORDS]}, {"type": "array", "minItems": 1}, OBJECT),
)


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
    forgiving=True,
    schema=any_of({"type": "boolean"}, {"type": "string", "minLength": 1}, {"type": "array"}, OBJECT),
)
