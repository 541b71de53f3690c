"""Explains why a job does not run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jobd.domain.duration import spoken
from jobd.domain.job import Job, moment
from jobd.domain.limits import Scope, gate_of, scope_of
from jobd.domain.rate import Rate
from jobd.domain.reason import Cause, Reason
from jobd.domain.state import ENDED, State

if TYPE_CHECKING:
    from jobd.store.situation import Gate, Situation
    from jobd.store.store import Store


class WhyControl(ABC):
    """The part of a client that explains."""

    store: Store

    @abstractmethod
    async def get(self, job_id: str) -> Job:
        """The job as it is now."""

    @abstractmethod
    async def hint(self, job: Job) -> str | None:
        """Why no worker takes this waiting job."""

    async def why(self, job_id: str) -> list[Reason]:
        """The reasons why a job does not run now, those that weigh most first; at least one. Raises JobNotFound."""
        job = await self.get(job_id)
        if job.status is State.BLOCKED and (owner := await self._followed_by(job)):
            message = f"it waits for the end of job {owner}, which has its unique key"
            return [Reason(cause=Cause.BLOCKED, message=message, job=owner)]
        if job.status is not State.WAITING:
            return [_not_waiting(job)]
        from jobd.store.situation import situation_of

        for shard in self.store.shards_of(job.id):
            if (await shard.get([job.id]))[0]:
                break
        situation = await situation_of(shard, job)
        reasons = list(_at_gates(job, situation))
        if situation.suspect:
            message = "its worker died while it ran, so that it waits to be run alone, in a process of its own"
            reasons.append(Reason(cause=Cause.SUSPECT, message=message))
        if hint := await self.hint(job):
            reasons.append(Reason(cause=Cause.NO_WORKER, message=hint))
        if situation.ahead:
            jobs = "one job comes" if situation.ahead == 1 else f"{situation.ahead:,} jobs come"
            message = f"{jobs} first in queue {job.queue}"
            reasons.append(Reason(cause=Cause.AHEAD, message=message, ahead=situation.ahead))
        if not reasons:
            message = "nothing keeps it: it is taken as soon as a worker has room"
            reasons.append(Reason(cause=Cause.NEXT, message=message))
        order = list(Cause)
        return sorted(reasons, key=lambda reason: order.index(reason.cause))

    async def _followed_by(self, job: Job) -> str | None:
        """The job whose end a blocked one waits for, as the owner of their unique key."""
        for shard in self.store.shards_of(job.id) if job.unique_key else ():
            key = await shard.unique_key(job.unique_key or "")
            if key is not None and key.follower == job.id:
                return key.owner
        return None


def _not_waiting(job: Job) -> Reason:
    if job.status in ENDED:
        return Reason(cause=Cause.ENDED, message=f"it has ended: it is {job.status}; retry it to run it again")
    if job.status is State.ACTIVE:
        asked = ", and is to be cancelled" if job.cancel_requested else ""
        return Reason(cause=Cause.RUNNING, message=f"it runs in attempt {job.attempt} on {job.worker}{asked}")
    if job.status is State.BLOCKED:
        return Reason(cause=Cause.BLOCKED, message="the batch that it came with is not whole yet")
    after = f" after attempt {job.attempt} of {job.max_attempts}" if job.attempt else ""
    return Reason(cause=Cause.DELAYED, message=f"it is delayed{after}", until=job.run_at)


def _at_gates(job: Job, situation: Situation) -> Iterator[Reason]:
    for name, gate in situation.gates.items():
        what = _what(name)
        if paused := gate.rule.get("paused"):
            if paused.get("until_ms", float("inf")) > situation.now_ms:
                yield _paused(what, paused)
        elif gate.paused_until_ms is not None:
            message = f"a handler met a rate limit, and {what} holds until that is over"
            yield Reason(cause=Cause.RATE_LIMITED, message=message, until=moment(gate.paused_until_ms))
        elif name.startswith("o/"):
            if gate.held and gate.held != job.id:
                message = f"job {gate.held} of its ordering key {job.options.ordering_key!r} has its turn until it ends"
                yield Reason(cause=Cause.ORDERING_KEY, message=message, job=gate.held)
        else:
            yield from _limited(job, situation, gate, what)


def _paused(what: str, paused: dict[str, Any]) -> Reason:
    by = f" by {paused['by']}" if paused.get("by") else ""
    because = f": {paused['reason']}" if paused.get("reason") else ""
    until = moment(paused["until_ms"]) if "until_ms" in paused else None
    return Reason(cause=Cause.PAUSED, message=f"{what} is paused{by}{because}", until=until)


def _limited(job: Job, situation: Situation, gate: Gate, what: str) -> Iterator[Reason]:
    queue_rule = situation.gates[gate_of(Scope.QUEUE, job.queue)].rule
    group = gate.name.startswith("g/")
    limit = gate.rule.get("concurrency") or (queue_rule.get("group_concurrency") if group else None)
    if gate.name.startswith("c/"):
        limit = limit or job.options.concurrency or 1
    running = situation.active if gate.name.startswith("q/") else int(gate.held or 0)
    if limit is not None and running >= limit:
        yield Reason(cause=Cause.CONCURRENCY, message=f"{what} has {running} of {limit} jobs running")
    rate = gate.rule.get("rate") or (queue_rule.get("group_rate") if group else None)
    if rate is None and gate.name.startswith("r/") and job.options.rate:
        rate = job.options.rate.to_rule()
    if rate is not None and gate.opens_ms is not None:
        told = Rate(rate["n"], rate["ms"], rate.get("burst"))
        message = f"{what} may start {told.count} jobs in {spoken(told.per_ms)}, and has"
        weight = min(job.options.rate_weight or 1, told.burst or told.count)
        if gate.kept_for is not None and gate.kept_for != situation.place:
            message = f"{what} keeps its room for a job that counts for several and whose turn it is"
        elif weight > 1:
            message = (
                f"{what} may start {told.count} jobs in {spoken(told.per_ms)}, and has no room for {weight} of them"
            )
        yield Reason(cause=Cause.RATE, message=message, until=moment(gate.opens_ms))


def _what(gate: str) -> str:
    if gate.startswith("o/"):
        return "its ordering key"
    scope, names = scope_of(gate)
    match scope:
        case Scope.GROUP:
            return f"group {names[1]} of queue {names[0]}"
        case Scope.KEY | Scope.RATE if names[0].startswith("@"):
            return f"type {names[0][1:]}"
        case Scope.KEY:
            return f"concurrency key {names[0]}"
        case Scope.RATE:
            return f"rate key {names[0]}"
        case _:
            return f"{scope} {names[0]}"
