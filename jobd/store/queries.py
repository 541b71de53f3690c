"""Lists of jobs, page by page. Reading costs the store a bounded amount, whatever there is: a page that had to pass
over too many jobs ends early, says so, and goes on from its cursor. Jobs move while a list is read: one that moves
may be seen twice or not at all, one that stays where it is is seen once."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from jobd.domain.job import Job
from jobd.domain.state import ENDED, State
from jobd.errors import InvalidRequest
from jobd.store.codec import LETTERS
from jobd.store.link import pairs
from jobd.store.shard import Shard
from jobd.store.store import Store

MOST_ON_PAGE = 200
MOST_SCANNED = 5_000
_CHUNK = 200
_ORDER = (
    State.ACTIVE,
    State.WAITING,
    State.DELAYED,
    State.BLOCKED,
    State.FAILED,
    State.COMPLETED,
    State.CANCELLED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which jobs a list holds; None means any."""

    states: frozenset[State] = frozenset(State)
    queue: str | None = None
    type: str | None = None
    """a type's name"""
    created_after: datetime | None = None
    created_before: datetime | None = None
    finished_before: datetime | None = None
    """of those that have ended; the others are not asked"""
    tags: frozenset[str] = frozenset()
    """it has all of these"""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """it has all of these facts, equal"""

    def admits(self, job: Job) -> bool:
        """Does the job belong into the list?"""
        return (
            job.status in self.states
            and (self.queue is None or job.queue == self.queue)
            and (self.type is None or job.type == self.type)
            and (self.created_after is None or job.created_at >= self.created_after)
            and (self.created_before is None or job.created_at < self.created_before)
            and (self.finished_before is None or job.finished_at is None or job.finished_at < self.finished_before)
            and self.tags <= set(job.tags)
            and all(name in job.metadata and job.metadata[name] == value for name, value in self.metadata.items())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some jobs of a list."""

    jobs: tuple[Job, ...]
    cursor: str | None
    """where the next page starts; None after the last one"""
    scanned: int
    """how many jobs were looked at"""
    complete: bool
    """False: the page ended early because too many jobs did not match; go on from the cursor"""
    by_shard: Mapping[int, Sequence[str]]
    """the ids of its jobs, by the number of the shard that they are in"""


async def list_jobs(store: Store, wanted: Filter, *, limit: int = 50, cursor: str | None = None) -> Page:
    """A page of up to `limit` (1 to 200) jobs: active ones first, then waiting ones queue by queue in the order of
    service, delayed ones by their time, blocked ones, and those that failed, completed or were cancelled, each with
    the newest first. Raises InvalidRequest for a limit or a cursor that cannot be used."""
    if not 1 <= limit <= MOST_ON_PAGE:
        raise InvalidRequest(f"limit: {limit} is not between 1 and {MOST_ON_PAGE}")
    found: dict[str, Job] = {}
    scanned = 0
    by_shard: dict[int, list[str]] = {}
    await store.learn()
    async for shard, state, places in _walk(store, wanted, _opened(cursor)):
        for job, (_, after) in zip(await shard.get([job_id for job_id, _ in places]), places, strict=True):
            scanned += 1
            # an id may still stand where its job has left, and then its job is listed where it is now
            if job is not None and job.status is state and wanted.admits(job):
                if job.id not in found:
                    by_shard.setdefault(shard.number, []).append(job.id)
                found[job.id] = job
            if len(found) == limit or scanned == MOST_SCANNED:
                return Page(
                    jobs=tuple(found.values()),
                    cursor=_sealed(after),
                    scanned=scanned,
                    complete=len(found) == limit,
                    by_shard=by_shard,
                )
    return Page(jobs=tuple(found.values()), cursor=None, scanned=scanned, complete=True, by_shard=by_shard)


_Position = list[Any]
_Place = tuple[str, _Position]
_SHAPES: Mapping[State, tuple[type, ...]] = {
    State.ACTIVE: (str,),
    State.WAITING: (str, int, int, str, int, str),
    State.DELAYED: (float, str),
    State.BLOCKED: (str, int, str),
    **dict.fromkeys(ENDED, (float, str)),
}
"""what a position holds, behind the numbers of shard and state"""
_FOLLOWERS = "~"
"""in the place of a batch: blocked jobs that wait for the end of another, behind all batches"""


async def _walk(store: Store, wanted: Filter, start: _Position) -> AsyncIterator[tuple[Shard, State, list[_Place]]]:
    """The ids in the order of the list, in chunks, each with the position behind it."""
    first_shard, first_state, rest = (start[0], start[1], start[2:]) if start else (0, 0, [])
    for number in range(first_shard, len(store.shards)):
        shard = store.shards[number]
        for at in range(first_state, len(_ORDER)):
            state = _ORDER[at]
            if state in wanted.states:
                async for places in _ids(shard, state, await _queues(shard, wanted.queue, state), rest):
                    yield shard, state, [(job_id, [number, at, *position]) for job_id, position in places]
            rest = []
        first_state = 0


async def _queues(shard: Shard, queue: str | None, state: State) -> Sequence[str]:
    """The queues that have jobs in a state."""
    if queue is not None:
        return [queue]
    fields = pairs(await shard.link.command("HGETALL", shard.keys.fixed("counts")))
    there = [field.decode().partition(":") for field, count in fields if int(count)]
    return sorted(name for letter, _, name in there if letter == LETTERS[state])


def _ids(shard: Shard, state: State, queues: Sequence[str], rest: _Position) -> AsyncIterator[list[_Place]]:
    match state:
        case State.ACTIVE:
            return _active(shard, rest)
        case State.WAITING:
            return _waiting(shard, queues, rest)
        case State.DELAYED:
            return _sorted(shard, [shard.keys.fixed("delayed")], rest, newest_first=False)
        case State.BLOCKED:
            return _blocked(shard, rest)
        case _:
            return _ended(shard, state, queues, rest)


async def _ended(shard: Shard, state: State, queues: Sequence[str], rest: _Position) -> AsyncIterator[list[_Place]]:
    usual = [f"{queue}:{LETTERS[state]}" for queue in queues]
    own = [shelf for shelf in await shard.shelves() if shelf.rpartition(":")[0] in usual]
    keys = [shard.keys.shelf(shelf) for shelf in (*usual, *own)]
    async for places in _sorted(shard, keys, rest, newest_first=True):
        yield places


async def _active(shard: Shard, rest: _Position) -> AsyncIterator[list[_Place]]:
    after = rest[0] if rest else ""
    members = await shard.link.command("ZRANGE", shard.keys.fixed("leases"), 0, -1)
    ids: list[str] = []
    for member in members:
        held = await shard.link.command("ZRANGE", shard.keys.held(member.decode()), 0, MOST_SCANNED)
        ids += [job_id.decode() for job_id in held]
    ids = sorted(job_id for job_id in ids if job_id > after)
    for at in range(0, len(ids), _CHUNK):
        yield [(job_id, [job_id]) for job_id in ids[at : at + _CHUNK]]


async def _waiting(shard: Shard, queues: Sequence[str], rest: _Position) -> AsyncIterator[list[_Place]]:
    for queue in queues:
        if rest and queue < rest[0]:
            continue
        for part, line in enumerate((f"!{queue}", queue)):
            for priority, lane in await _lanes(shard, line):
                place = [queue, part, priority, lane]
                if place < rest[:4]:
                    continue
                key = shard.keys.lane(line, lane)
                offset = await _offset(shard, key, *rest[4:]) if place == rest[:4] else 0
                async for places in _list(shard, key, offset):
                    yield [(job_id, [*place, at, job_id]) for job_id, at in places]


async def _lanes(shard: Shard, line: str) -> list[tuple[int, str]]:
    """The lanes of a line with their priorities, in an order that does not change by serving them; those of ordering
    keys, which have none, come first."""
    served = await shard.link.command("ZRANGE", shard.keys.lanes(line), 0, -1)
    shut = await shard.link.command("ZRANGE", shard.keys.shut(line), 0, -1)
    lanes = {lane.decode() for lane in (*served, *shut)}
    return sorted((int(lane.partition(":")[0].replace("*", "0")), lane) for lane in lanes)


async def _blocked(shard: Shard, rest: _Position) -> AsyncIterator[list[_Place]]:
    for batch in sorted(await shard.staged()):
        if rest and batch < rest[0]:
            continue
        key = shard.keys.stage(batch)
        offset = await _offset(shard, key, *rest[1:]) if rest and batch == rest[0] else 0
        async for places in _list(shard, key, offset):
            yield [(job_id, [batch, at, job_id]) for job_id, at in places]
    last = [float(rest[1]), rest[2]] if rest and rest[0] == _FOLLOWERS else []
    async for some in _sorted(shard, [shard.keys.fixed("followers")], last, newest_first=False):
        yield [(job_id, [_FOLLOWERS, int(since), job_id]) for job_id, (since, _) in some]


async def _offset(shard: Shard, key: str, offset: int, last: str) -> int:
    """Where to go on in a list behind the id seen last, when ids may have left it in front since: if that one has left
    too, everything before it has."""
    first = max(0, offset - MOST_SCANNED)
    ids = await shard.link.command("LRANGE", key, first, offset + _CHUNK)
    return first + ids.index(last.encode()) + 1 if last.encode() in ids else first


async def _list(shard: Shard, key: str, offset: int) -> AsyncIterator[list[tuple[str, int]]]:
    while ids := await shard.link.command("LRANGE", key, offset, offset + _CHUNK - 1):
        yield [(job_id.decode(), offset + at + 1) for at, job_id in enumerate(ids)]
        offset += len(ids)


async def _sorted(
    shard: Shard, keys: Sequence[str | bytes], rest: _Position, *, newest_first: bool
) -> AsyncIterator[list[_Place]]:
    """Several sorted sets as one, by (score, id); the position is the last pair seen."""
    last: tuple[float, str] | None = (rest[0], rest[1]) if rest else None
    while True:
        window: list[tuple[float, str]] = []
        for key in keys:
            window += await _after(shard, key, last, newest_first)
        # ids run in the direction of the scores, so that the pairs have one order
        window.sort(reverse=newest_first)
        if not window:
            return
        chunk = window[:_CHUNK]
        last = chunk[-1]
        yield [(job_id, [score, job_id]) for score, job_id in chunk]


async def _after(
    shard: Shard, key: str | bytes, last: tuple[float, str] | None, newest_first: bool
) -> list[tuple[float, str]]:
    """Up to a chunk of the pairs behind `last` in one sorted set."""
    if last is None:
        offset = 0
    else:
        bounds = (f"({last[0]!r}", "+inf") if newest_first else ("-inf", f"({last[0]!r}")
        offset = int(await shard.link.command("ZCOUNT", key, *bounds))
    found: list[tuple[float, str]] = []
    while len(found) < _CHUNK:
        words = ("REV", "WITHSCORES") if newest_first else ("WITHSCORES",)
        reply = await shard.link.command("ZRANGE", key, offset, offset + _CHUNK - 1, *words)
        scored = [(float(score), job_id.decode()) for job_id, score in pairs(reply)]
        found += [pair for pair in scored if last is None or (pair < last if newest_first else pair > last)]
        if len(scored) < _CHUNK:
            break
        offset += len(scored)
    return found[:_CHUNK]


def _sealed(position: _Position) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(position)).decode().rstrip("=")


def _opened(cursor: str | None) -> _Position:
    if not cursor:
        return []
    try:
        position = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        position = None
    match position:
        case [int(shard), int(at), *rest] if shard >= 0 and 0 <= at < len(_ORDER):
            if tuple(map(type, rest)) == _SHAPES[_ORDER[at]]:
                return [shard, at, *rest]
    raise InvalidRequest("cursor: this is not a cursor of this list; start again without one")
