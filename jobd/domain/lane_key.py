"""What orders and limits a job beside its priority: the key of the lane in which it waits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from jobd.domain.plain_json import named
from jobd.domain.rate import Rate
from jobd.errors import OptionError, PayloadError

if TYPE_CHECKING:
    from jobd.domain.options import Options

LONGEST_KEY = 255
KEYS = ("group", "ordering_key", "concurrency_key", "rate_key")
IN_KEY = frozenset({*KEYS, "concurrency", "rate"})
"""the options that a lane key tells"""
_WHOLE = {"g": "group", "o": "ordering_key"}
_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def lane_key(options: Options, job_type: str) -> str:
    """The lane key of a job of this type with these options, complete; '' if nothing orders or limits it. Raises
    OptionError if a key limits nothing.

    A type's own limits are those of a key that only it has, '@' and its name.
    """
    parts = []
    if options.group is not None:
        parts.append(f"g={encoded(options.group)}")
    if options.ordering_key is not None:
        parts.append(f"o={encoded(options.ordering_key)}")
    if options.concurrency is not None or options.concurrency_key is not None:
        parts.append(f"c={_owner(options.concurrency_key, job_type)}:{options.concurrency or 1}")
    if options.rate is not None:
        check_weight(options)
        parts.append(f"r={_owner(options.rate_key, job_type)}:{options.rate.short}")
    elif options.rate_key is not None:
        raise OptionError("rate_key: this says whose rate it is, and no rate is given; add rate, such as 100/1m")
    return ";".join(parts)


def check_weight(options: Options) -> None:
    """Raises OptionError if a job counts for more than its rate ever lets through."""
    if options.rate is not None:
        at_once, weight = options.rate.burst or options.rate.count, options.rate_weight or 1
        if weight > at_once:
            raise OptionError(
                f"rate_weight: it is {weight}, and its rate lets {at_once} through at a time: {options.rate}"
            )


def read_lane_key(key: str) -> dict[str, Any]:
    """The options that made a lane key, by the fields of `Options`."""
    said: dict[str, Any] = {}
    for part in filter(None, key.split(";")):
        letter, value = part[0], part[2:]
        owner, _, limit = value.partition(":")
        if letter in _WHOLE:
            said[_WHOLE[letter]] = decoded(value)
        elif letter == "c":
            said["concurrency"] = int(limit)
            if not owner.startswith("@"):
                said["concurrency_key"] = decoded(owner)
        elif letter == "r":
            count, per_ms, *burst = map(int, limit.split("/"))
            said["rate"] = Rate(count, per_ms, *burst)
            if not owner.startswith("@"):
                said["rate_key"] = decoded(owner)
    return said


def _owner(key: str | None, job_type: str) -> str:
    return f"@{job_type}" if key is None else encoded(key)


def encoded(key: str) -> str:
    """A key in letters that names of gates may have."""
    return quote(key, safe="")


def decoded(name: str) -> str:
    """The key that was `encoded`."""
    return unquote(name)


def check_key(value: object, name: str) -> str:
    """A key as people give it: a text, or a whole number for short. Raises OptionError."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise OptionError(f"{name}: {value!r} is not a text")
    if not 0 < len(text.encode(errors="replace")) <= LONGEST_KEY or not text.isprintable():
        raise OptionError(f"{name}: {value!r} is not a text of 1 to {LONGEST_KEY} printable characters")
    return text


def fields_in(options: Options) -> dict[str, list[str]]:
    """The fields of the payload that the keys of a type are made of, by key: {'group': ['tenant']} for "{tenant}"."""
    said = {key: getattr(options, key) for key in KEYS}
    return {key: found for key, text in said.items() if text and (found := _FIELD.findall(text))}


def filled(options: Options, payload: Mapping[str, Any]) -> Options:
    """A type's options with the fields in its keys filled from a payload. Raises PayloadError if one is missing or no
    text, number or truth value."""
    made: dict[str, Any] = {
        key: check_key(_FIELD.sub(lambda field: _word(field[1], payload, key), text), key)  # noqa: B023  called at once
        for key in KEYS
        if (text := getattr(options, key)) is not None
    }
    return options.but(**made)


def _word(field: str, payload: Mapping[str, Any], key: str) -> str:
    value = payload.get(field)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise PayloadError(
        f"{key}: it is made of the field {field!r} of the payload, and that is {named(value)}; "
        "a text or a number is needed"
    )
