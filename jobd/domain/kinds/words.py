"""Names, numbers and words."""

from __future__ import annotations

import re
from typing import Any

from jobd.domain.kinds.kind import Kind, any_of, text
from jobd.domain.lane_key import check_key
from jobd.domain.names import check_queue_name
from jobd.domain.plain_json import named
from jobd.domain.priority import NAMES, parse_priority
from jobd.errors import OptionError

WHOLE_NUMBER = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def _queue_name(value: Any, name: str) -> str:
    return check_queue_name(value, option=name)


_QUEUE = text("^[a-z0-9][a-z0-9_-]{0,127}$")
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
    schema=any_of({"type": "integer", "minimum": 1, "maximum": 10}, {"type": "string", "examples": list(NAMES)}),
)


def whole(least: int, most: int) -> Kind:
    """Whole numbers from `least` to `most`."""

    def parse(value: Any, name: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise OptionError(f"{name}: {value!r} is not a whole number from {least} to {most}")
        return value

    def from_text(text: Any, name: str) -> int:
        words = text.strip()
        return parse(int(words) if WHOLE_NUMBER.fullmatch(words) else text, name)

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


def one_of(*words: str) -> Kind:
    """One of these words."""

    def parse(value: Any, name: str) -> str:
        if not isinstance(value, str) or value.strip().lower() not in words:
            raise OptionError(f"{name}: {value!r} is not one of {', '.join(words)}")
        return value.strip().lower()

    schema = {"type": "string", "examples": list(words)}
    return Kind(metavar="|".join(words), parse=parse, from_json=parse, from_text=parse, schema=schema)
