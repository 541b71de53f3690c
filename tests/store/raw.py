"""What is in the store's keys, read as bytes and checked for being whole. It knows the records by their description,
and imports nothing of what writes them."""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

STATES = {
    "w": "waiting",
    "d": "delayed",
    "b": "blocked",
    "a": "active",
    "c": "completed",
    "f": "failed",
    "x": "cancelled",
}
READERS: dict[bytes, Callable[[str], tuple[str | int, ...]]] = {
    b"hash": lambda key: ("HGETALL", key),
    b"zset": lambda key: ("ZRANGE", key, 0, -1, "WITHSCORES"),
    b"list": lambda key: ("LRANGE", key, 0, -1),
    b"set": lambda key: ("SMEMBERS", key),
}


UNCHECKED = {
    *("runs", "gone", "inbox", "window", "rates", "pauses", "types", "barrier", "shards", "homes"),
    *("operations", "operation"),
}


@dataclass
class Record:
    """A job, as its spec and its run record say."""

    queue: str
    priority: int
    type: str
    payload: bytes
    key: str = ""
    unique: str = ""
    limits: tuple[float, ...] = ()
    """when it expires, its deadline (ms), and how long it may wait"""
    state: str = "waiting"
    suspect: bool = False
    cancel_asked: bool = False
    crashes: int = 0
    attempt: int = 0
    deliveries: int = 0
    fence: int = 0
    due: float = 0
    finished: float = 0
    holder: str = ""
    holds: tuple[str, ...] = ()

    @property
    def lanes(self) -> tuple[str, str]:
        """Where it stands while it waits: in its lane, or aside in that of its type."""
        turn = re.search("o=[^;]*", self.key)
        home = f"{self.line}:*:{turn[0]}" if turn else f"{self.line}:{self.priority}:{self.key}"
        return home, f"{home}{'t=' if home.endswith(':') else ';t='}{self.type}"

    @property
    def line(self) -> str:
        return f"!{self.queue}" if self.suspect else self.queue


@dataclass
class Raw:
    """All keys of a shard, sorted by kind."""

    jobs: dict[str, Record] = field(default_factory=dict)
    results: dict[str, bytes] = field(default_factory=dict)
    delayed: dict[str, float] = field(default_factory=dict)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    grouped: dict[str, str] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)
    leases: dict[str, float] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)
    waiters: dict[str, str] = field(default_factory=dict)
    lanes: dict[str, dict[str, float]] = field(default_factory=dict)
    lane: dict[str, list[str]] = field(default_factory=dict)
    gated: dict[str, dict[str, float]] = field(default_factory=dict)
    shut: dict[str, dict[str, float]] = field(default_factory=dict)
    gated_gates: set[str] = field(default_factory=set)
    holds: dict[str, str] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)
    opens: dict[str, float] = field(default_factory=dict)
    uniques: dict[str, str] = field(default_factory=dict)
    periods: dict[str, float] = field(default_factory=dict)
    followers: dict[str, float] = field(default_factory=dict)
    expiring: dict[str, float] = field(default_factory=dict)
    held: dict[str, dict[str, float]] = field(default_factory=dict)
    ended: dict[str, dict[str, float]] = field(default_factory=dict)
    shelves: dict[str, str] = field(default_factory=dict)
    stage: dict[str, list[str]] = field(default_factory=dict)
    idle: dict[str, set[str]] = field(default_factory=dict)
    member: dict[str, dict[str, str]] = field(default_factory=dict)
    logs: set[str] = field(default_factory=set)
    progress: set[str] = field(default_factory=set)
    answers: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)


def read(redis: Redis, base: str) -> Raw:
    """What is there now."""
    raw = Raw()
    keys = sorted(key.decode() for key in redis.keys("*"))  # type: ignore[union-attr]  # keys answers with a list
    pipeline = redis.pipeline(transaction=False)
    for key in keys:
        pipeline.type(key)
    for key, kind in zip(keys, pipeline.execute(), strict=True):
        pipeline.execute_command(*READERS[kind](key))
    contents: dict[str, Any] = dict(zip(keys, pipeline.execute(), strict=True))
    assert all(key.startswith(base) for key in keys), keys
    for key, content in contents.items():
        _sort_in(raw, key.removeprefix(base), content)
    for job_id, record in contents.get(f"{base}runs", {}).items():
        _read_run(raw.jobs[job_id.decode()], record)
    return raw


def _sort_in(raw: Raw, key: str, content: Any) -> None:
    raw.keys.add(key)
    kind, _, name = key.partition(":")
    match kind:
        case "jobs" | "results" | "counts":
            _sort_in_hash(raw, kind, content)
        case "delayed" | "expiring" | "leases" | "opens" | "periods" | "followers":
            setattr(raw, kind, _scores(content))
        case "ready" | "ready_solo":
            raw.ready |= _scores(content)
        case "stages" | "waiters" | "grouped" | "rules" | "uniques" | "shelves":
            setattr(raw, kind, _texts(content))
        case "holds":
            raw.holds = {gate: value for gate, value in _texts(content).items() if gate != ""}
        case "member":
            raw.member[name] = {field_.decode(): value.decode(errors="replace") for field_, value in content.items()}
        case "lanes" | "held" | "ended" | "gated" | "shut":
            getattr(raw, kind)[name] = _scores(content)
        case "lane" | "stage":
            getattr(raw, kind)[name] = [job_id.decode() for job_id in content]
        case "idle":
            raw.idle[name] = _names(content)
        case "gated_gates" | "answered" | "answers" | "progress":
            setattr(raw, kind, _names(content))
        case "logs":
            raw.logs.add(name)
        case _:
            assert kind in UNCHECKED, f"an unknown key: {key}"


def _sort_in_hash(raw: Raw, kind: str, content: dict[bytes, bytes]) -> None:
    for name, value in content.items():
        if kind == "jobs":
            raw.jobs[name.decode()] = _read_spec(value)
        elif kind == "results":
            raw.results[name.decode()] = value
        else:
            letter, _, queue = name.decode().partition(":")
            raw.counts[queue, STATES[letter]] = int(value)


def _names(content: Any) -> set[str]:
    return {(each if isinstance(each, bytes) else each[0]).decode() for each in content}


def _scores(content: list[tuple[bytes, float]]) -> dict[str, float]:
    return {name.decode(): float(score) for name, score in content}


def _texts(content: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in content.items()}


def _read_spec(spec: bytes) -> Record:
    flags, _, priority, _, _, options, queue, type_ = struct.unpack_from(">BBBHIIBB", spec, 9)
    text = spec[24:]
    rest, key, unique = text[queue + type_ :], "", ""
    if flags & 1:
        size = int.from_bytes(rest[:2])
        (key, unique, *_), rest = [*rest[2 : 2 + size].decode().split(" "), ""], rest[2 + size :]
    limits = (0.0, 0.0, 0.0)
    if flags & 4:
        (created,) = struct.unpack_from(">d", spec, 1)
        expires, deadline, patience, _ = struct.unpack_from(">dddd", rest)
        limits = (*(created - at if at < 0 else at for at in (expires, deadline)), patience)
        rest = rest[32:]
    type_name, payload = text[queue : queue + type_].decode(), rest[options:]
    return Record(text[:queue].decode(), priority, type_name, payload, key, unique, limits)


def _read_run(record: Record, raw: bytes) -> None:
    _, state, flags, crashes, attempt, deliveries, fence, _, finished, due, holder, queue = struct.unpack_from(
        ">BcBBHHddddBB", raw
    )
    record.state = STATES[state.decode()]
    record.suspect, record.cancel_asked = bool(flags & 1), bool(flags & 2)
    record.crashes, record.attempt, record.deliveries = crashes, attempt, deliveries
    # a small one is the priority of a job that came in a batch
    record.fence, record.finished, record.due = int(fence) if fence > 10 else 0, finished, due
    record.holder = raw[42 : 42 + holder].decode()
    assert raw[42 + holder : 42 + holder + queue].decode() == record.queue
    if flags & 16:
        at = 42 + holder + queue
        size = int.from_bytes(raw[at : at + 2])
        record.holds = tuple(raw[at + 2 : at + 2 + size].decode().split(" "))


def check(raw: Raw) -> None:
    """Is everything there in one place only, and does every index tell the truth?"""
    _check_places(raw)
    _check_lanes(raw)
    _check_members(raw)
    _check_unique_keys(raw)
    assert raw.counts == Counter((job.queue, job.state) for job in raw.jobs.values())
    assert {name: int(size) for name, size in raw.grouped.items()} == _unstarted_by_group(raw)
    completed = {job_id for job_id, job in raw.jobs.items() if job.state == "completed"}
    assert set(raw.results) <= completed
    assert raw.logs | raw.progress <= set(raw.jobs)
    assert raw.answers == raw.answered
    assert "" not in raw.answers
    assert set(raw.stage) <= set(raw.stages)
    for batch in raw.stages.keys() - raw.stage.keys():
        assert raw.stages[batch].startswith("released ")
    for job_id in raw.waiters:
        assert raw.jobs[job_id].state not in ("completed", "failed", "cancelled")


def _unstarted_by_group(raw: Raw) -> Counter[str]:
    unstarted = [job for job in raw.jobs.values() if job.state in ("waiting", "delayed", "blocked")]
    groups = [(job, re.match("g=([^;]*)", job.key)) for job in unstarted]
    return Counter(f"g/{job.queue.replace('_', '-')}/{group[1]}" for job, group in groups if group)


def _check_places(raw: Raw) -> None:
    """Each job is where its state says, and nowhere else, but for lanes, which are left behind."""
    places: dict[str, list[tuple[str, str]]] = {job_id: [] for job_id in raw.jobs}
    for job_id, due in raw.delayed.items():
        places[job_id].append(("delayed", ""))
        assert raw.jobs[job_id].due == due
    for member, held in raw.held.items():
        for job_id in held:
            places[job_id].append(("active", member))
    for name, ended in raw.ended.items():
        queue, letter, *own = name.split(":")
        assert bool(own) == (name in raw.shelves) or not ended
        for job_id in ended:
            places[job_id].append((STATES[letter], queue))
    for batch, ids in raw.stage.items():
        for job_id in dict.fromkeys(ids):
            if raw.jobs.get(job_id) and raw.jobs[job_id].state == "blocked" and raw.jobs[job_id].holder == batch:
                places[job_id].append(("blocked", batch))
    for follower, key in _followers(raw):
        places[follower].append(("blocked", f"u/{key}"))
    for job_id, job in raw.jobs.items():
        by_state = {
            "waiting": [],
            "delayed": [("delayed", "")],
            "blocked": [("blocked", job.holder)],
            "active": [("active", job.holder)],
        }
        assert places[job_id] == by_state.get(job.state, [(job.state, job.queue)]), (job_id, job)
        if job.state == "waiting":
            assert any(job_id in raw.lane.get(lane, ()) for lane in job.lanes), (job_id, job)


def _check_lanes(raw: Raw) -> None:
    indexed = [f"{line}:{lane}" for line, lanes in raw.lanes.items() for lane in lanes]
    words = [word.split(" ") for gate in raw.gated_gates for word in raw.gated[gate]]
    before_gates = [f"{line}:{lane}" for line, lane in words if lane]
    assert raw.gated_gates == {gate for gate in raw.gated if not gate.startswith("groups/")}
    for gate in raw.gated_gates:
        if gate.startswith("g/"):
            assert gate in raw.gated[f"groups/{gate.split('/')[1]}"]
    shut = {line for line, lane in words if not lane}
    assert sorted(indexed + before_gates) == sorted(raw.lane)
    assert sorted(f"{line}:{lane}" for line, lanes in raw.shut.items() for lane in lanes) == sorted(before_gates)
    first = {line: min(lanes.values()) for line, lanes in raw.lanes.items() if line not in shut}
    assert first == raw.ready


def _followers(raw: Raw) -> list[tuple[str, str]]:
    """The jobs that wait for the end of the owner of a key, and that key."""
    return [(follower, key) for key, words in raw.uniques.items() if (follower := words.split(" ")[3])]


def _check_unique_keys(raw: Raw) -> None:
    """Each key without an end has an owner that says so itself and is in a state in which it keeps it."""
    ends = {}
    for name, words in raw.uniques.items():
        owner, _, until, _ = words.split(" ")
        if until != "0":
            ends[name] = float(until)
            continue  # it may be over
        job = raw.jobs[owner]
        letters = {state: letter for letter, state in STATES.items()}
        key, _, states, _ = job.unique.split(":")
        assert key == name
        # who waits for the rest of its batch is on its way to another state, and has the key of that
        assert letters[job.state] in states or (job.state == "blocked" and not job.holder.startswith("u/"))
        if job.state == "active":
            assert f"u/{job.unique}" in job.holds
    assert raw.periods == ends
    assert set(raw.followers) == {follower for follower, _ in _followers(raw)}


def _check_members(raw: Raw) -> None:
    assert set(raw.member) == set(raw.leases)
    assert set(raw.held) <= set(raw.leases)
    for line, members in raw.idle.items():
        for name in members:
            assert line in raw.member[name]["lines"].split()
            if not line.startswith("@"):
                assert raw.member[name]["idle"] == "1"
    for name, member in raw.member.items():
        if member.get("idle") == "1":
            assert all(name in raw.idle.get(line, ()) for line in member["lines"].split())
