"""What people write: the keywords of options, for the type checker. `options.py` says what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypedDict

from jobd.domain.backoff import Backoff
from jobd.domain.duration import Duration
from jobd.domain.priority import Priority


class TypeOptions(TypedDict, total=False):
    """The options of a job type: the defaults of its jobs."""

    queue: str | None
    priority: Priority | None
    delay: Duration | None
    max_attempts: int | None
    retries: int | None
    backoff: Backoff | Duration | Mapping[str, Any] | None
    timeout: Duration | None
    tags: Iterable[str] | None
    metadata: Mapping[str, Any] | None


class JobOptions(TypeOptions, total=False):
    """The options of one job."""

    run_at: datetime | None
