"""The grammar of names: job types, queues, tags, and ids that callers choose."""

from __future__ import annotations

import re
from collections.abc import Iterable

from jobd.errors import OptionError

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}", re.ASCII)
_GRAMMAR = "a name has up to 128 letters a-z, digits, '_' and '-', and starts with a letter or a digit"
_CHOSEN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}", re.ASCII)

RESERVED_TYPES = frozenset(
    [
        "api",
        "ui",
        "jobs",
        "health",
        "healthz",
        "livez",
        "readyz",
        "metrics",
        "static",
        "docs",
        "queues",
        "schedules",
        "workers",
        "events",
        "enqueue",
        "batch",
        "stats",
        "failed",
        "pending",
        "active",
        "completed",
        "delayed",
        "waiting",
        "blocked",
        "cancelled",
    ]
)
"""first or second words of our own paths, so never the name of a job type"""

RESERVED_IDS = frozenset(
    [
        "enqueue",
        "batch",
        "stats",
        "health",
        "workers",
        "failed",
        "pending",
        "active",
        "completed",
        "delayed",
        "waiting",
        "blocked",
        "cancelled",
        "scheduled",
        "facets",
        "count",
        "export",
    ]
)
"""words that stand beside `{id}` in paths, so never an id"""


def check_type_name(name: str) -> str:
    """`name`, if it may name a job type. Raises OptionError."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise OptionError(f"job type {name!r}: {_GRAMMAR}")
    if name in RESERVED_TYPES:
        raise OptionError(f"job type {name!r}: this word is taken by a path of the API; choose another name")
    return name


def check_queue_name(name: str, *, option: str = "queue") -> str:
    """`name`, if it may name a queue. Raises OptionError."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise OptionError(f"{option}: {name!r} cannot name a queue; {_GRAMMAR}")
    return name


def same_name(name: str) -> str:
    """The form under which names are looked up: in paths and look-ups `_` and `-` are the same."""
    return name.lower().replace("_", "-")


def check_chosen_id(job_id: str) -> str:
    """`job_id`, if a caller may choose it for a job. Raises OptionError."""
    if not isinstance(job_id, str) or not _CHOSEN_ID.fullmatch(job_id):
        raise OptionError(
            f"id {job_id!r}: an id of your own has up to 128 letters, digits and . _ : @ -, and starts with a letter "
            "or a digit"
        )
    if job_id.lower() in RESERVED_IDS:
        raise OptionError(f"id {job_id!r}: this word is taken by a path of the API; choose another id")
    return job_id


def listed(names: Iterable[str]) -> str:
    """The names as the store wants them: ",a,b,"; nothing if there is none."""
    words = ",".join(names)
    return words and f",{words},"
