"""What a job may be asked for beside its payload: checked once, resolved in one order.

The order is: jobd's defaults, then the job type's, then the job's own.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from jobd.domain import priority as priorities
from jobd.domain.backoff import DEFAULT as DEFAULT_BACKOFF
from jobd.domain.backoff import Backoff
from jobd.domain.duration import Duration, milliseconds
from jobd.domain.names import check_queue_name
from jobd.domain.priority import Priority, parse_priority
from jobd.errors import OptionError

DEFAULT_QUEUE = "default"
DEFAULT_RETRIES = 3
MOST_ATTEMPTS = 1_000
MOST_TAGS = 32
LONGEST_TAG = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options as given for a type or for one job; None means "as the level below says"."""

    queue: str | None = None
    priority: int | None = None
    max_attempts: int | None = None
    """how often the handler may run in all, the first time included"""
    backoff: Backoff | None = None
    timeout_ms: int | None = None
    """how long one attempt may run; 0 means for ever"""
    delay_ms: int | None = None
    run_at_ms: int | None = None
    tags: tuple[str, ...] | None = None
    metadata: Mapping[str, Any] | None = None

    def over(self, lower: Options) -> Options:
        """These options, completed from `lower` where they say nothing."""
        given = {name: value for name in _FIELDS if (value := getattr(self, name)) is not None}
        return replace(lower, **given) if given else lower


_FIELDS = tuple(Options.__dataclass_fields__)

DEFAULTS = Options(
    queue=DEFAULT_QUEUE,
    priority=priorities.DEFAULT,
    max_attempts=1 + DEFAULT_RETRIES,
    backoff=DEFAULT_BACKOFF,
    timeout_ms=0,
)
"""what holds where nobody says anything: 4 attempts, exponential backoff from 2 s with jitter, no time limit"""

NONE = Options()


def make_options(
    *,
    queue: str | None = None,
    priority: Priority | None = None,
    max_attempts: int | None = None,
    retries: int | None = None,
    backoff: Backoff | Duration | Mapping[str, Any] | None = None,
    timeout: Duration | None = None,
    delay: Duration | None = None,
    run_at: datetime | None = None,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Options:
    """Options from what people write. Raises OptionError naming the option and what is allowed."""
    if max_attempts is not None and retries is not None:
        raise OptionError(
            "max_attempts and retries say the same in two ways; give one (retries=3 means max_attempts=4)"
        )
    if delay is not None and run_at is not None:
        raise OptionError("delay and run_at exclude each other; give one")
    if retries is not None:
        max_attempts = 1 + _whole(retries, "retries", 0, MOST_ATTEMPTS - 1)
    elif max_attempts is not None:
        max_attempts = _whole(max_attempts, "max_attempts", 1, MOST_ATTEMPTS)
    return Options(
        queue=None if queue is None else check_queue_name(queue),
        priority=None if priority is None else parse_priority(priority),
        max_attempts=max_attempts,
        backoff=None if backoff is None else Backoff.parse(backoff),
        timeout_ms=None if timeout is None else milliseconds(timeout, name="timeout", least=1),
        delay_ms=None if delay is None else milliseconds(delay, name="delay"),
        run_at_ms=None if run_at is None else _moment(run_at),
        tags=None if tags is None else _tags(tags),
        metadata=None if metadata is None else _metadata(metadata),
    )


def read_options(given: Mapping[str, Any]) -> Options:
    """Options from keywords, as `make_options`. Raises OptionError for a name that no option has."""
    for name in given:
        if name not in KEYWORDS:
            near = difflib.get_close_matches(name, KEYWORDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(KEYWORDS)}"
            raise OptionError(f"there is no option {name!r}; {hint}")
    return make_options(**given)


KEYWORDS = tuple(inspect.signature(make_options).parameters)


def _whole(value: object, name: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise OptionError(f"{name}: {value!r} is not a whole number from {least} to {most}")
    return value


def _moment(value: datetime) -> int:
    if not isinstance(value, datetime):
        raise OptionError(f"run_at: {value!r} is not a datetime")
    if value.tzinfo is None:
        raise OptionError(f"run_at: {value.isoformat()} has no time zone; add one, such as datetime.now(UTC)")
    return max(0, round(value.timestamp() * 1_000))


def _tags(values: Iterable[str]) -> tuple[str, ...]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise OptionError(f"tags: give a list of words, not {values!r}")
    tags = []
    for tag in values:
        if not isinstance(tag, str) or not 0 < len(tag) <= LONGEST_TAG or not tag.isprintable():
            raise OptionError(f"tags: {tag!r} is not a word of 1 to {LONGEST_TAG} printable characters")
        if tag not in tags:
            tags.append(tag)
        if len(tags) > MOST_TAGS:
            raise OptionError(f"tags: these are too many; a job has up to {MOST_TAGS}")
    return tuple(tags)


def _metadata(value: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise OptionError("metadata: give an object whose keys are texts")
    return dict(value)
