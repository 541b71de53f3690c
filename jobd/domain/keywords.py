"""What people write: the keywords of options, for the type checker. `options.py` says what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from jobd.domain.backoff import Backoff
from jobd.domain.duration import Duration
from jobd.domain.isolation import Isolation
from jobd.domain.keep import Keep
from jobd.domain.priority import Priority
from jobd.domain.rate import Rate
from jobd.domain.unique import Unique

if TYPE_CHECKING:
    from jobd.domain.error_rules import BackoffFunction, OnError

Pauses = Backoff | Duration | Sequence[Duration] | Mapping[str, Any]
"""a backoff as people write it"""
Kept = Keep | int | str | timedelta | Mapping[str, Any]
"""how many ended jobs are kept, as people write it"""
Isolated = Isolation | Literal["process", "none"] | str | Mapping[str, Any]
"""where a handler runs, as people write it"""
Durability = Literal["server", "replica"]
"""who has a job when it is accepted"""


class _OfQueue(TypedDict, total=False):
    priority: Priority | None
    delay: Duration | None
    max_attempts: int | None
    retries: int | None
    timeout: Duration | None
    heartbeat_timeout: Duration | None
    queue_timeout: Duration | None
    expires: Duration | datetime | None
    deadline: Duration | datetime | None
    unique: Unique | bool | str | Iterable[str] | Mapping[str, Any] | None
    tags: Iterable[str] | None
    durability: Durability | None
    isolation: Isolated | None
    front: bool | None


class _Options(_OfQueue, total=False):
    queue: str | None
    metadata: Mapping[str, Any] | None
    group: str | None
    ordering_key: str | None
    concurrency: int | None
    concurrency_key: str | None
    rate: Rate | str | Mapping[str, Any] | None
    rate_key: str | None
    rate_weight: int | None
    keep_completed: Kept | None
    keep_failed: Kept | None


class OptionsOfQueue(_OfQueue, total=False):
    """The options that a queue says of its jobs."""

    backoff: Pauses | None


class TypeOptions(_Options, total=False):
    """The options of a job type: the defaults of its jobs, and what only code can say."""

    backoff: Pauses | BackoffFunction | None
    on_error: OnError | None
    services: Iterable[type | str]


class JobOptions(_Options, total=False):
    """The options of one job."""

    backoff: Pauses | None
    run_at: datetime | None
