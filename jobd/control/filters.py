"""Which jobs are meant: from the words of callers to a filter, and to JSON and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypedDict

from jobd.domain.calendar import day_of, parse_time
from jobd.domain.rendering import time_to_json
from jobd.domain.state import State, parse_states
from jobd.errors import InvalidRequest

if TYPE_CHECKING:
    from jobd.store.queries import Filter


class JobFilter(TypedDict, total=False):
    """Which jobs: those that fit all that is said."""

    status: str | Iterable[str] | None
    type: str | None
    queue: str | None
    date: date | None
    created_after: datetime | None
    created_before: datetime | None
    finished_before: datetime | None
    tags: Iterable[str] | None
    metadata: Mapping[str, Any] | None


def make_filter(said: JobFilter) -> Filter:
    """The filter that these words mean; the name of a type is that in its jobs. Raises InvalidRequest."""
    from jobd.store.queries import Filter

    status, day = said.get("status"), said.get("date")
    words = [status] if isinstance(status, str) else list(status or ())
    states = frozenset().union(*map(parse_states, words)) if words else frozenset(State)
    after, before = said.get("created_after"), said.get("created_before")
    if day is not None:
        start, end = day_of(day)
        after, before = max(filter(None, (after, start))), min(filter(None, (before, end)))
    return Filter(
        states=states,
        queue=said.get("queue"),
        type=said.get("type"),
        created_after=after,
        created_before=before,
        finished_before=said.get("finished_before"),
        tags=frozenset(said.get("tags") or ()),
        metadata=dict(said.get("metadata") or {}),
    )


def filter_to_json(wanted: Filter) -> dict[str, Any]:
    """A filter in the words of the API."""
    said = {
        "status": [state.value for state in State if state in wanted.states],
        "type": wanted.type,
        "queue": wanted.queue,
        "created_after": time_to_json(wanted.created_after),
        "created_before": time_to_json(wanted.created_before),
        "finished_before": time_to_json(wanted.finished_before),
        "tags": sorted(wanted.tags),
        "metadata": dict(wanted.metadata),
    }
    return {name: value for name, value in said.items() if value}


def filter_from_json(said: Mapping[str, Any]) -> Filter:
    """What `filter_to_json` made."""
    times = {
        name: parse_time(said[name]) for name in ("created_after", "created_before", "finished_before") if name in said
    }
    return make_filter({**said, **times})  # type: ignore[typeddict-item]  # made by filter_to_json


def narrows(wanted: Filter) -> bool:
    """Does it name more than states?"""
    return bool(
        wanted.queue or wanted.type or wanted.tags or wanted.metadata or wanted.created_after or wanted.created_before
    )


def refuse_states(verb: str, wrong: Iterable[State]) -> InvalidRequest:
    """The error of an operation on jobs in states in which it cannot be done."""
    return InvalidRequest(f"status: jobs that are {', '.join(sorted(wrong))} cannot be part of {verb}")
