"""What a worker is handed: a job, and the right to settle it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from jobd.domain.job import moment
from jobd.domain.lane_key import read_lane_key
from jobd.domain.outcome import Outcome
from jobd.domain.plain_json import from_json
from jobd.domain.time_limits import TimeLimits


@dataclass(slots=True)
class Delivery:
    """One hand-over of a job to a worker. Not frozen only because freezing costs a microsecond a job."""

    id: str
    type: str
    queue: str
    payload: bytes
    """JSON"""
    options: bytes
    """JSON of the job's less frequent options; empty for most"""
    priority: int
    max_attempts: int
    timeout_ms: int
    """0 means no limit"""
    created_ms: float
    attempt: int
    deliveries: int
    crashes: int
    suspect: bool
    fence: int
    started_ms: float
    holder: str
    limits: TimeLimits | None = None
    """the less frequent limits of time; None for most"""
    lane_key: str = ""
    """what orders and limits it beside its priority; '' for most"""
    unreadable: str = ""
    """why its record cannot be read; of such a job nothing else is known than who holds it, and that for how long"""

    @property
    def last_attempt(self) -> bool:
        """Is no attempt left after this one?"""
        return self.attempt >= self.max_attempts

    @property
    def missed(self) -> Outcome | None:
        """What becomes of it if it was handed over too late, whatever has become of its worker since; None if it was
        in time."""
        return self.limits.missed(self.started_ms) if self.limits is not None else None

    @property
    def data(self) -> Any:
        """The payload, as plain JSON values."""
        return from_json(self.payload)

    @property
    def tags(self) -> tuple[str, ...]:
        """The job's tags."""
        return tuple(self._more.get("tags", ()))

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The job's metadata."""
        metadata: Mapping[str, Any] = self._more.get("metadata", {})
        return metadata

    @property
    def group(self) -> str | None:
        """The tenant that the job belongs to; None if to nobody."""
        group: str | None = read_lane_key(self.lane_key).get("group")
        return group

    @property
    def created_at(self) -> datetime:
        """When the job was taken in."""
        return moment(self.created_ms)

    @property
    def _more(self) -> dict[str, Any]:
        more: dict[str, Any] = from_json(self.options) if self.options else {}
        return more


@dataclass(frozen=True, slots=True)
class Lost:
    """A delivery that a monitor has taken over, and what it knows of its former holder."""

    delivery: Delivery
    """under the monitor's own fence"""
    former_holder: str
    overdue: bool
    """its own deadline passed, while the holder lives on"""
    neighbours: int
    """how many jobs the holder held, this one included"""
    cause: str
    """how the holder ended, as its supervisor saw it; empty if nobody did"""
    holder_was_solo: bool


ChangedQueues = Mapping[str, tuple[str, Mapping[str, Any]]]
"""queues, each with the edition of the options that it has now, and these as in a record"""


class NewJob(NamedTuple):
    """A job on its way into the store, packed. A tuple, as a frozen dataclass costs thrice as much to make."""

    id: str
    queue: str
    priority: int
    due: str
    """'' at once, '+ms' from the moment it is taken in, 'ms' since 1970"""
    spec: bytes
    unique: bool = False
    """it has a unique key"""
    gives_data: bool = False
    """it may give its data to another job instead of being made"""
    replicated: bool = False
    """it is accepted only when a replica has it too"""
    edition: str = "-"
    """of the options of its queue, by which it was made; '' if it had none, '-' if they do not matter"""
    again: Callable[[NewJob, ChangedQueues], NewJob] | None = None
    """makes it anew, by the options that queues have now"""
    key: str = ""
    """what decides on its shard in a queue that is spread; '': its id does"""


@dataclass(frozen=True, slots=True)
class Met:
    """What became of a job that was not made, because another one has its unique key. It is false, as it is the answer
    to: was it made?"""

    id: str
    """the other one"""
    replaced: bool
    """the other one has its data now"""

    def __bool__(self) -> bool:
        return False
