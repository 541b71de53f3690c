"""Options that a queue says of its jobs: where the store keeps them, and how they read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobd.domain.backoff import Backoff
from jobd.domain.options import BY_FIELD, ROWS, Level, Options, read_options, row_at

BACKOFF = "queue_backoff"
"""what a job has beside its options: the backoff of its queue, which counts where neither it nor its type has one"""
_MARK = "option."
ALL = tuple(dict.fromkeys(row.field for row in ROWS.values() if Level.QUEUE in row.levels))
"""the fields of all that a queue can say"""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """What a queue says of its jobs."""

    queue: str
    holds: Options
    """what holds for a job of this queue where neither it nor its type says anything"""
    set: Options
    """of that, what was set at run time; the rest is from the configuration, or jobd's own"""


def option_fields(record: Mapping[str, Any]) -> dict[str, str | None]:
    """Options, as in a record, as fields of a queue's rule; None takes one back. There they are texts: the scripts
    cannot keep an empty list, or a large number."""
    return {
        f"{_MARK}{name}": None if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        for name, value in record.items()
    }


def options_in(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The options among the fields of a rule, as in a record."""
    return {field.removeprefix(_MARK): json.loads(value) for field, value in rule.items() if field.startswith(_MARK)}


def read_changes(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a program wants a queue to say, as in a record; None takes an option back. Raises OptionError naming the
    option and what is allowed."""
    back = {row_at(name, Level.QUEUE).field for name, value in given.items() if value is None}
    return changes_of(read_options(given, Level.QUEUE), back)


def changes_of(options: Options, back: set[str]) -> dict[str, Any]:
    """Options that a queue is to say, and the fields of those that it is to say no more, as in a record."""
    return {**dict.fromkeys(back), **options.to_record()}


def taken_back(keyword: str) -> str:
    """The field of an option that a queue is to say no more. Raises OptionError if it cannot say such a one."""
    return row_at(keyword, Level.QUEUE).field


def named(options: Options) -> list[str]:
    """The names in the API of what is said."""
    return [BY_FIELD[name].wire for name, _ in options.given()]


def backoff_beside(packed: bytes) -> Backoff | None:
    """The backoff of its queue that a job has brought along, from the JSON of its options."""
    if BACKOFF.encode() not in packed:
        return None
    told = json.loads(packed).get(BACKOFF)
    return Backoff.parse(told) if told else None
