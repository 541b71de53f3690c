"""What stands between a waiting job and a worker, as the store has it at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jobd.domain.job import Job
from jobd.domain.lane_key import encoded, lane_key
from jobd.domain.limits import Scope, gate_of
from jobd.domain.names import same_name
from jobd.store.shard import Shard

MOST_LOOKED = 10_000
"""jobs of its lane among which it is looked for"""
_MOST_LANES = 200


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate that the job has to pass, and how it stands."""

    name: str
    rule: dict[str, Any]
    held: str | None
    """how many hold a place there, or for an ordering key the job whose turn it is"""
    opens_ms: float | None
    """when it opens by itself, if it waits for a time"""
    paused_until_ms: float | None
    kept_for: str | None
    """the lane, with its line, for which the room of its rate is kept"""


@dataclass(frozen=True, slots=True)
class Situation:
    """All of it."""

    gates: dict[str, Gate]
    active: int
    """jobs of its queue that run"""
    ahead: int
    """jobs that come first: those before it in its lane, and those of more urgent lanes"""
    place: str
    """the lane in which it stands, with its line; '' if it was not found"""
    suspect: bool
    now_ms: float


async def situation_of(shard: Shard, job: Job) -> Situation:
    """How things stand for a waiting job."""
    keys, ask = shard.keys, shard.link.command
    now_ms = (await shard.now_us()) / 1_000
    names = gates_of(job)
    rules = await shard.rules()
    held = await ask("HMGET", keys.fixed("holds"), *names)
    pauses = await ask("HMGET", keys.fixed("pauses"), *names)
    opens = await ask("ZMSCORE", keys.fixed("opens"), *names)
    kept = await ask("HMGET", keys.fixed("rates"), *[f"{name}!" for name in names])
    gates = {
        name: Gate(
            name,
            rules.get(name, {}),
            holder.decode() if holder is not None else None,
            at if at is not None and at > now_ms else None,
            float(until) if until is not None and float(until) > now_ms else None,
            _kept_for(keeps.decode(), now_ms) if keeps is not None else None,
        )
        for name, holder, until, at, keeps in zip(names, held, pauses, opens, kept, strict=True)
    }
    active = await ask("HGET", keys.fixed("counts"), f"a:{job.queue}")
    line, lane, ahead = await _ahead(shard, job)
    place = f"{line} {lane}" if lane else ""
    return Situation(gates, int(active or 0), ahead, place, line.startswith("!"), now_ms)


def _kept_for(words: str, now_ms: float) -> str | None:
    """The lane for which the room of a rate is kept now (lua/lib/gates.lua)."""
    until, _, _, lane = words.split(" ", 3)
    return lane if float(until) > now_ms else None


def gates_of(job: Job) -> list[str]:
    """The gates that a job passes: those of its queue, its type, and its keys."""
    names = [gate_of(Scope.QUEUE, job.queue), gate_of(Scope.TYPE, job.type)]
    options = job.options
    if options.group is not None:
        names.append(gate_of(Scope.GROUP, job.queue, options.group))
    if options.ordering_key is not None:
        names.append(f"o/{same_name(job.queue)}/{encoded(options.ordering_key)}")
    limits = [part for part in lane_key(options, job.type).split(";") if part[:2] in ("c=", "r=")]
    return names + [f"{part[0]}/{part[2:].partition(':')[0]}" for part in limits]


async def _ahead(shard: Shard, job: Job) -> tuple[str, str, int]:
    """The line and the lane in which it stands, and how many come first there."""
    turn = job.options.ordering_key
    home = f"{job.priority}:{lane_key(job.options, job.type)}" if turn is None else f"*:o={encoded(turn)}"
    aside = f"{home}{'t=' if home.endswith(':') else ';t='}{job.type}"
    for line in (job.queue, f"!{job.queue}"):
        for lane in (home, aside):
            place = await shard.link.command("LPOS", shard.keys.lane(line, lane), job.id, "MAXLEN", MOST_LOOKED)
            if place is not None:
                return line, lane, int(place) + await _in_more_urgent_lanes(shard, line, job.priority)
    return job.queue, "", 0


async def _in_more_urgent_lanes(shard: Shard, line: str, priority: int) -> int:
    count = 0
    for name in await shard.link.command("ZRANGE", shard.keys.lanes(line), 0, _MOST_LANES - 1):
        lane = name.decode()
        urgency = lane.partition(":")[0]
        if urgency.isdecimal() and int(urgency) < priority:
            count += await shard.link.command("LLEN", shard.keys.lane(line, lane))
    return count
