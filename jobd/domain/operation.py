"""Operations: one thing done to all jobs that a filter finds, in chunks, by whoever takes the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from jobd.domain.state import ENDED, UNSTARTED, State


class Verb(StrEnum):
    """What can be done to many jobs."""

    RETRY = "retry"
    CANCEL = "cancel"
    REMOVE = "remove"
    PROMOTE = "promote"
    CHANGE = "change"
    MOVE = "move"


class Stage(StrEnum):
    """Where an operation is."""

    RUNNING = "running"
    DONE = "done"
    ABORTED = "aborted"
    """somebody asked for that; what had been done stays done"""
    FAILED = "failed"


MEANT: Mapping[Verb, frozenset[State]] = {
    Verb.RETRY: frozenset({State.FAILED}),
    Verb.CANCEL: frozenset({*UNSTARTED, State.ACTIVE}),
    Verb.REMOVE: ENDED,
    Verb.PROMOTE: frozenset({State.DELAYED}),
    Verb.CHANGE: UNSTARTED,
    Verb.MOVE: frozenset({*UNSTARTED, State.FAILED}),
}
"""the states of the jobs that are meant where none is named"""
ALLOWED: Mapping[Verb, frozenset[State]] = {
    **MEANT,
    Verb.RETRY: ENDED,
    Verb.REMOVE: frozenset({*ENDED, *UNSTARTED}),
}
"""the states in which it can be done"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation, as it was when the store was asked."""

    id: str
    verb: Verb
    filter: Mapping[str, Any]
    """which jobs, in the words of the API"""
    arguments: Mapping[str, Any]
    """reason, queue, changes, most: what was said beside the filter"""
    stage: Stage
    began_at: datetime
    ended_at: datetime | None
    seen: int
    """jobs that the filter found"""
    done: int
    """those to which it was done; after the crash of a runner it may be more"""
    skipped: int
    """those that had gone on to another state in between"""
    failed: int
    """those to which it could not be done"""
    errors: tuple[Mapping[str, str], ...]
    """the first of these: id and message"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an operation would find now."""

    count: int
    exact: bool
    """False: there are more than were counted"""
    sample: tuple[Any, ...]
    """the first jobs"""
