"""The states of a job and the moves between them. Everything about them lives in this table.

The diagram in the README is made from it (`scripts/diagram`), and the store's scripts are tested against it.
"""

from __future__ import annotations

import difflib
from enum import StrEnum

from jobd.errors import InvalidRequest


class State(StrEnum):
    """Where a job is. A job is in exactly one state at any time."""

    WAITING = "waiting"
    """stands in a lane and may be fetched"""
    DELAYED = "delayed"
    """will be waiting at its time; a retry is delayed with attempts > 0"""
    BLOCKED = "blocked"
    """waits for other jobs, a signal, a hold, or the rest of its batch"""
    ACTIVE = "active"
    """delivered to a worker, which holds it under a fence"""
    COMPLETED = "completed"
    FAILED = "failed"
    """no attempts left, failed for good, or too late"""
    CANCELLED = "cancelled"


ENDED = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})
UNSTARTED = frozenset({State.WAITING, State.DELAYED, State.BLOCKED})

MOVES: dict[State | None, dict[str, State]] = {
    None: {
        "enqueue": State.WAITING,
        "enqueue later": State.DELAYED,
        "enqueue blocked": State.BLOCKED,
    },
    State.BLOCKED: {"release": State.WAITING, "release later": State.DELAYED, "cancel": State.CANCELLED},
    State.DELAYED: {"promote, replace": State.WAITING, "cancel": State.CANCELLED, "too late": State.FAILED},
    State.WAITING: {
        "fetch": State.ACTIVE,
        "reschedule, replace": State.DELAYED,
        "cancel": State.CANCELLED,
        "too late": State.FAILED,
    },
    State.ACTIVE: {
        "return": State.COMPLETED,
        "fail": State.FAILED,
        "cancelled": State.CANCELLED,
        "retry, snooze": State.DELAYED,
        "lost, drained": State.WAITING,
    },
    State.COMPLETED: {"retry by hand": State.WAITING},
    State.FAILED: {"retry by hand": State.WAITING, "move": State.CANCELLED},
    State.CANCELLED: {"retry by hand": State.WAITING},
}
"""state → move → state; None is "not yet a job"."""

ALIASES: dict[str, frozenset[State]] = {
    "queued": frozenset({State.WAITING}),
    "ready": frozenset({State.WAITING}),
    "scheduled": frozenset({State.DELAYED}),
    "retrying": frozenset({State.DELAYED}),
    "held": frozenset({State.BLOCKED}),
    "waiting-children": frozenset({State.BLOCKED}),
    "running": frozenset({State.ACTIVE}),
    "started": frozenset({State.ACTIVE}),
    "processing": frozenset({State.ACTIVE}),
    "succeeded": frozenset({State.COMPLETED}),
    "success": frozenset({State.COMPLETED}),
    "done": frozenset({State.COMPLETED}),
    "dead": frozenset({State.FAILED}),
    "error": frozenset({State.FAILED}),
    "canceled": frozenset({State.CANCELLED}),
    "aborted": frozenset({State.CANCELLED}),
    "pending": UNSTARTED,
    "incomplete": UNSTARTED | {State.ACTIVE},
    "finished": ENDED,
    "ended": ENDED,
    "all": frozenset(State),
}
"""words that people type, and the states they mean"""


def parse_states(word: str) -> frozenset[State]:
    """The states that a word means: a state's own name or an alias. Raises InvalidRequest naming what is allowed."""
    key = word.strip().lower().replace("_", "-")
    if key in State._value2member_map_:
        return frozenset({State(key)})
    if key in ALIASES:
        return ALIASES[key]
    allowed = ", ".join(State)
    near = difflib.get_close_matches(key, [*State, *ALIASES], n=1)
    meant = f"did you mean {near[0]}? There are" if near else "there are"
    raise InvalidRequest(f"there is no status {word!r}; {meant} {allowed}, and words such as pending or finished")
