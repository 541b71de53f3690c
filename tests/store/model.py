"""What a store of jobs is to do, in the plainest words: a dictionary of jobs and rules that change it.

The stateful tests hold the real store against it. It knows nothing of how that is built, and imports nothing of it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from jobd.domain.ids import is_made_id
from tests.store.limits_model import NO_LIMITS, Limits, TimeLimits
from tests.store.unique_model import Answer, Key, Refused

WAITING, DELAYED, BLOCKED, ACTIVE = "waiting", "delayed", "blocked", "active"
COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"
ENDED = (COMPLETED, FAILED, CANCELLED)

APPLIED, BEFORE, REFUSED = 1, 2, 0

MARGIN_MS = 15_000
"""how long after its time limit a job is left to its worker"""
LATE_MS = 2_000
"""an enqueue this long on its way may have been sent twice"""
ENQUEUE_MS = 60_000
"""an enqueue is good this long, and so is each part of a batch"""


class LeaseIsLost(Exception):
    """The member may not do this any more, or never might."""


@dataclass(frozen=True)
class Order:
    """A job as somebody wants it."""

    id: str
    queue: str = "default"
    priority: int = 5
    type: str = "noop"
    due: str = ""
    payload: bytes = b"{}"
    timeout_ms: int = 0
    unique: str = ""
    """what makes it unique, as its record has it"""
    limits: Limits = NO_LIMITS

    @property
    def same(self) -> tuple[object, ...]:
        """What makes it the same job when it comes again."""
        return self.queue, self.priority, self.type, self.payload, self.timeout_ms, self.unique, self.limits


@dataclass
class Job:
    """A job as it is."""

    order: Order
    state: str
    due: int = 0
    batch: str = ""
    attempt: int = 0
    deliveries: int = 0
    crashes: int = 0
    suspect: bool = False
    cancel_asked: bool = False
    holder: str = ""
    fence: int = 0
    deadline: float = math.inf
    ended_at: int = 0
    result: bytes = b""
    retried_at: int = -1
    made_at: int = 0
    limits_from: int = 0
    limits_moved: bool = False  # given later than it was made
    place: float = 0
    """its place among those waiting in its queue with its priority"""


@dataclass(frozen=True)
class Verdict:
    """What is to follow from an attempt."""

    state: str
    spent: bool = True
    suspect: bool = False
    crashed: bool = False
    delay_ms: int = 0


@dataclass(frozen=True)
class Settlement:
    """A verdict on a delivery."""

    id: str
    fence: int
    verdict: Verdict
    result: bytes = b""
    children: tuple[Order, ...] = ()


@dataclass(frozen=True)
class Loss:
    """A job taken over, and what is told about it."""

    id: str
    fence: int
    former: str
    overdue: bool
    neighbours: int
    cause: str


@dataclass
class Member:
    """A process that has joined."""

    lease_until: int
    lease: int
    lines: tuple[str, ...]
    cause: str = ""
    sequence: int = 0
    batch: list[str] = field(default_factory=list)
    taken: dict[str, Loss] = field(default_factory=dict)


@dataclass
class Batch:
    """Jobs that come in together."""

    deadline: int
    committed: bool = False
    ids: list[str] = field(default_factory=list)


class Model(TimeLimits):
    """The store."""

    def __init__(self, now: int, *, most_completed: int, most_failed: int) -> None:
        self.now = now
        self.jobs: dict[str, Job] = {}
        self.members: dict[str, Member] = {}
        self.batches: dict[str, Batch] = {}
        self.unique_keys: dict[str, Key] = {}
        self.gone, self.refusals = {}, {}
        self.most = {COMPLETED: most_completed, FAILED: most_failed, CANCELLED: most_failed}
        self.muddled: set[str] = set()
        """jobs whose place in the line is not told: they may stand where they stood before they were cancelled, or
        aside because a worker did not know their type"""
        self._places = 0

    # --- coming in -----------------------------------------------------------------------------------------------

    def enqueue(self, orders: Sequence[Order], *, sent: int, repeat: bool, batch: str = "") -> list[Answer] | None:
        """For each, was it made; None if the call came too late. Raises Refused."""
        if self.now > sent + ENQUEUE_MS:
            return None
        since = sent if repeat or self.now - sent > LATE_MS else None
        before = self.snapshot()
        try:
            return self._enqueue(orders, sent, since, batch)
        except Refused as refused:
            self.go_back_to(before)
            self.remember_refusal([order.id for order in orders], refused, every=since is not None)
            raise

    def _enqueue(self, orders: Sequence[Order], sent: int, since: int | None, batch: str) -> list[Answer]:
        made: list[Answer] = []
        met: list[tuple[str, tuple[str, str]]] = []
        here = self.batches.get(batch)
        seen: set[str] = set()
        fresh: list[str] = []
        for order in orders:
            job = self.jobs.get(order.id)
            if order.id in seen:
                made.append(False)
            elif job is not None:
                ours = job.state == BLOCKED and job.batch == batch if batch else since is not None
                made.append(ours and (bool(batch) or (job.order.same == order.same and not job.limits_moved)))
            elif since is not None and (told := self.told_since(order.id, since)) is not None:
                made.append(told)
            else:
                answer = self._make(order, batch)
                if answer is True:
                    fresh.append(order.id)
                else:
                    met.append((order.id, answer))
                made.append(answer)
            seen.add(order.id)
        asked_often = any(not is_made_id(job_id) for job_id, _ in met)
        if since is not None or fresh or asked_often or any(what == "replaced" for _, (what, _) in met):
            for job_id, fate in met:
                self.remember(job_id, fate)
        if batch and here is None and fresh:
            here = self.batches[batch] = Batch(0)
        if here is not None and batch:
            here.ids += fresh
            if not here.committed:
                here.deadline = sent + ENQUEUE_MS
        return made

    def _make(self, order: Order, batch: str = "", *, quietly: bool = False) -> Literal[True] | tuple[str, str]:
        due = self.now + int(order.due[1:]) if order.due.startswith("+") else int(order.due or 0)
        state = BLOCKED if batch else DELAYED if due > self.now else WAITING
        met = self.meet(order, state, due, quietly=quietly)
        if met and met[0] == "follows":
            state, batch = BLOCKED, f"u/{met[1]}"
        elif met:
            return met
        job = self.jobs[order.id] = Job(order, state)
        job.due, job.batch, job.made_at, job.limits_from = due, batch, self.now, self.now
        if job.state == WAITING:
            self._line_up(job)
        return True

    def _line_up(self, job: Job, *, first: bool = False) -> None:
        self._places += 1
        job.place = -self._places if first else self._places

    def commit(self, name: str, size: int) -> bool:
        batch = self.batches.get(name)
        if batch is None:
            return False
        if not batch.committed and len(batch.ids) < size:
            return False
        batch.committed = True
        return True

    def release(self, name: str) -> int:
        batch = self.batches.get(name)
        if batch is None or (batch.committed and not batch.ids and batch.deadline >= self.now):
            return 0
        if not batch.committed and batch.deadline >= self.now:
            return -1
        for job_id in batch.ids:
            job = self.jobs.get(job_id)
            if job is None or job.state != BLOCKED or job.batch != name:
                continue
            if not batch.committed:
                self.lose_key(job, "-")
                del self.jobs[job_id]
            elif job.due > self.now:
                job.state = DELAYED
            else:
                job.state = WAITING
                self._line_up(job)
                self.muddled |= {job_id} if job.order.due else set()  # before or behind those that were due at once
        if not batch.committed or (not batch.ids and batch.deadline < self.now):
            del self.batches[name]
        else:
            batch.ids, batch.deadline = [], self.now + ENQUEUE_MS
        self.let_keys_go()
        return 0

    def promote(self) -> int:
        due = [job for job in self.jobs.values() if job.state == DELAYED and job.due <= self.now]
        due.sort(key=lambda job: (job.due, job.order.id))
        for job in due:
            job.state = WAITING
            if not job.deliveries:
                self._line_up(job)
        for job in reversed(due):
            if job.deliveries:  # a retry keeps its place, before those that have not run
                self._line_up(job, first=True)
        self.let_keys_go()
        return len(due)

    # --- members -------------------------------------------------------------------------------------------------

    def join(self, name: str, lease: int, lines: tuple[str, ...]) -> None:
        member = self.members.get(name)
        if member is None:
            self.members[name] = Member(self.now + lease, lease, lines)
        elif member.lease_until < self.now:
            raise LeaseIsLost
        else:
            member.lease_until, member.lease, member.lines = self.now + lease, lease, lines

    def renew(self, names: Sequence[str], lease: int) -> list[bool]:
        alive = [self.lives(name) for name in names]
        for name, lives in zip(names, alive, strict=True):
            if lives:
                self.members[name].lease_until = self.now + lease
        return alive

    def lives(self, name: str) -> bool:
        return name in self.members and self.members[name].lease_until >= self.now

    def held(self, name: str) -> list[str]:
        return [job.order.id for job in self.jobs.values() if job.state == ACTIVE and job.holder == name]

    def leave(self, name: str, cause: str) -> int:
        left = len(self.held(name))
        if name in self.members:
            if left:
                self.members[name].lease_until, self.members[name].cause = 0, cause
            else:
                del self.members[name]
        return left

    # --- working ---------------------------------------------------------------------------------------------------

    def offered(self, name: str, types: Collection[str]) -> list[Job]:
        """The jobs that this member may be given."""
        lines = self.members[name].lines
        solo = lines[0].startswith("!")
        queues = {line.lstrip("!") for line in lines}
        return [
            job
            for job in self.jobs.values()
            if job.state == WAITING
            and job.suspect == solo
            and (job.order.queue in queues or "*" in queues)
            and job.order.type in types
        ]

    def fetch_again(self, name: str) -> list[str]:
        return [job_id for job_id in self.members[name].batch if job_id in self.held(name)]

    def fetch(self, name: str, sequence: int, want: int, types: Collection[str], given: Sequence[str]) -> None:
        """`given` is what the store gave; an AssertionError says what is wrong with it."""
        offered = self.offered(name, types)
        taken = [self.jobs[job_id] for job_id in given]
        assert len(set(given)) == len(given) == min(want, len(offered))
        assert all(any(job is one for one in offered) for job in taken)
        self._check_order(taken, [job for job in offered if job.order.id not in given])
        for job in taken:
            job.state, job.holder = ACTIVE, name
            job.fence = max(job.fence + 1, self.now * 1_000)
            job.attempt += 1
            job.deliveries += 1
            ends = self.now + job.order.timeout_ms if job.order.timeout_ms else math.inf
            job.deadline = min(ends, max(self.deadline_of(job), self.now)) + MARGIN_MS
            job.cancel_asked = False
        waiting = (job.order for job in self.jobs.values() if job.state == WAITING)
        self.muddled |= {order.id for order in waiting if order.type not in types}
        self.members[name].sequence, self.members[name].batch = sequence, list(given)
        self.let_keys_go()

    def _check_order(self, taken: Sequence[Job], left: Sequence[Job]) -> None:
        priorities = [job.order.priority for job in taken]
        assert priorities == sorted(priorities)
        assert not taken or not left or max(priorities) <= min(job.order.priority for job in left)
        plain = [job for job in taken if job.order.id not in self.muddled]
        for queue, priority in {(job.order.queue, job.order.priority) for job in plain}:
            mine = [job.place for job in plain if (job.order.queue, job.order.priority) == (queue, priority)]
            behind = [
                job.place
                for job in left
                if (job.order.queue, job.order.priority) == (queue, priority) and job.order.id not in self.muddled
            ]
            assert mine == sorted(mine)
            assert not behind or mine[-1] < min(behind)

    def settle(self, holder: str, settlements: Sequence[Settlement]) -> list[int]:
        answers = [REFUSED] * len(settlements)
        applied: list[Settlement] = []
        # those that completed come first, then the others, then what handlers enqueued
        in_turn = sorted(enumerate(settlements), key=lambda pair: pair[1].verdict.state != COMPLETED)
        ending: list[Job] = []
        for at, item in in_turn:
            answers[at] = self._settle_one(holder, item, ending)
            if answers[at] == APPLIED:
                applied.append(item)
        doomed = self._doomed(ending)
        for job in doomed:
            self.lose_key(job)
        self.let_keys_go()
        children: list[Order] = []
        for item in applied:
            if item.verdict.state == COMPLETED:
                children += item.children
        for order in children:
            if order.id not in self.jobs:
                self._make(order, quietly=True)
        for item in reversed(applied):
            if self.jobs[item.id].state == WAITING:
                self._line_up(self.jobs[item.id], first=True)
        self._retire(ending)
        return answers

    def _settle_one(self, holder: str, item: Settlement, ending: list[Job]) -> int:
        job = self.jobs.get(item.id)
        if job is None:
            return BEFORE if self.gone_at(item.id)[0] >= 0 else REFUSED
        if job.fence != item.fence:
            return REFUSED
        if job.state != ACTIVE:
            return BEFORE
        if job.holder != holder:
            return REFUSED
        verdict, state = item.verdict, item.verdict.state
        if not verdict.spent:
            job.attempt -= 1
        job.crashes += verdict.crashed
        if state == DELAYED and not verdict.suspect:
            job.crashes = 0
        job.suspect = verdict.suspect or (job.suspect and state != DELAYED)
        if job.cancel_asked and state in (WAITING, DELAYED):
            state = CANCELLED
        job.state = state
        if state == DELAYED:
            job.due = self.now + verdict.delay_ms
        elif state in ENDED:
            job.result = item.result if state == COMPLETED else b""
            ending.append(job)
        return APPLIED

    def _retire(self, ending: Sequence[Job]) -> None:
        """These have ended now; of each kind so many are kept."""
        for job in self._doomed(ending):
            self._remove(job)
        for job in ending:
            job.ended_at = self.now

    def _doomed(self, ending: Sequence[Job]) -> list[Job]:
        """Those that are too many when these have ended."""
        doomed: list[Job] = []
        kinds = dict.fromkeys((job.order.queue, job.state) for job in ending)
        for queue, state in kinds:
            new = [job for job in ending if (job.order.queue, job.state) == (queue, state)]
            old = [
                job
                for job in self.jobs.values()
                if (job.order.queue, job.state) == (queue, state) and not any(job is one for one in new)
            ]
            old.sort(key=lambda job: (job.ended_at, job.order.id))
            doomed += (old + new)[: max(0, len(old) + len(new) - self.most[state])]
        return doomed

    def _remove(self, job: Job, *, by_hand: bool = False) -> None:
        self.lose_key(job, "-" if by_hand else "g")
        del self.jobs[job.order.id]
        self.remember(job.order.id)

    def heartbeat(self, job_id: str, holder: str, fence: int, more_ms: int) -> bool:
        job = self.jobs.get(job_id)
        if job is None or job.state != ACTIVE or job.holder != holder or job.fence != fence:
            return False
        job.deadline = self.now + more_ms
        return True

    def take_over(self, monitor: str) -> list[Loss]:
        if not self.lives(monitor):
            raise LeaseIsLost
        me = self.members[monitor]
        still = [
            loss
            for loss in me.taken.values()
            if loss.id in self.held(monitor) and self.jobs[loss.id].fence == loss.fence
        ]
        if still:
            return still
        me.taken = {}
        for member in self.members.values():  # who was given a lease before the clock stepped back
            member.lease_until = min(member.lease_until, self.now + member.lease)
        for name, member in list(self.members.items()):
            dead, held = not self.lives(name), self.held(name)
            if name == monitor:
                continue
            for job in [self.jobs[job_id] for job_id in held]:
                if dead or job.deadline <= self.now:
                    told = member.taken.get(job.order.id)
                    told = told if told and told.fence == job.fence else None
                    job.holder, job.deadline = monitor, math.inf
                    job.fence = max(job.fence + 1, self.now * 1_000)
                    me.taken[job.order.id] = Loss(
                        job.order.id,
                        job.fence,
                        *(
                            (told.former, told.overdue, told.neighbours, told.cause)
                            if told
                            else (name, not dead, len(held), member.cause)
                        ),
                    )
            if dead:
                del self.members[name]
        return list(me.taken.values())

    # --- people ------------------------------------------------------------------------------------------------------

    def cancel(self, ids: Sequence[str]) -> list[str]:
        answers: dict[str, str] = {}
        ending: list[Job] = []
        for job_id in ids:
            job = self.jobs.get(job_id)
            if job_id in answers:
                continue
            if job is None:
                answers[job_id] = "missing"
            elif job.state == ACTIVE:
                job.cancel_asked = True
                answers[job_id] = "asked"
            elif job.state in ENDED:
                answers[job_id] = job.state
            else:
                if job.state == WAITING:
                    self.muddled.add(job_id)
                job.state = CANCELLED
                ending.append(job)
                answers[job_id] = CANCELLED
        self._retire(ending)
        self.let_keys_go()
        return [answers[job_id] for job_id in ids]

    def change(self, job_id: str, order: Order | None, due: str) -> str:
        """`order` is what it is to be, `due` when it may run: '', 'now' or '+ms'."""
        job = self.jobs.get(job_id)
        if job is None:
            return "missing"
        if job.state not in (WAITING, DELAYED, BLOCKED):
            return job.state
        was = job.state
        when = None if due == "" else self.now if due == "now" else self.now + int(due[1:])
        if when is not None and job.state != BLOCKED:
            job.state = DELAYED if when > self.now else WAITING
        if when is not None and not (was == job.state == WAITING):
            job.due = when
        elsewhere = order is not None and order.priority != job.order.priority
        if order is not None and (due or job.limits_moved or order.limits != job.order.limits):
            job.order = order
            self.limit_anew(job)
        job.order = order or job.order
        if was == WAITING and (elsewhere or job.state == DELAYED):
            self.muddled.add(job_id)
        if job.state == WAITING and (was == DELAYED or elsewhere):
            self._line_up(job, first=job.deliveries > 0)
        self.let_keys_go()
        return "done"

    def move(self, job_id: str, order: Order) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return "missing"
        if job.state in (ACTIVE, COMPLETED, CANCELLED):
            return job.state
        if job.state == WAITING:
            self.muddled.add(job_id)
        job.state = CANCELLED
        self.let_keys_go()
        self._make(order)
        self._retire([job])
        return "moved"

    def delete(self, ids: Sequence[str], states: Collection[str]) -> list[str]:
        answers: dict[str, str] = {}
        for job_id in ids:
            job = self.jobs.get(job_id)
            if job_id in answers:
                continue
            if job is None:
                lately = 0 <= self.now - self.gone_at(job_id)[0] < 120_000
                answers[job_id] = "gone" if lately else "missing"
            elif job.state not in states:
                answers[job_id] = job.state
            else:
                if job.state == WAITING:
                    self.muddled.add(job_id)
                self._remove(job, by_hand=True)
                answers[job_id] = "gone"
        return [answers[job_id] for job_id in ids]

    def retry(self, ids: Sequence[str], *, since: int | None = None) -> list[str]:
        answers: dict[str, str] = {}
        for job_id in ids:
            job = self.jobs.get(job_id)
            if job_id in answers:
                continue
            if job is None:
                answers[job_id] = "missing"
            elif job.state not in ENDED:
                answers[job_id] = job.state
            elif since is not None and job.retried_at >= since:
                answers[job_id] = WAITING
            elif other := self.take_again(job):
                answers[job_id] = f"unique {other}"
            else:
                job.state, job.attempt, job.crashes, job.result = WAITING, 0, 0, b""
                job.suspect = job.cancel_asked = False
                job.retried_at = self.now
                self._line_up(job)
                answers[job_id] = WAITING
        return [answers[job_id] for job_id in ids]

    def prune(self, queue: str, state: str, older_ms: int) -> int:
        old = [
            job
            for job in self.jobs.values()
            if (job.order.queue, job.state) == (queue, state) and job.ended_at <= self.now - older_ms
        ]
        for job in old:
            self._remove(job)
        return len(old)

    def counts(self) -> Counter[tuple[str, str]]:
        """How many jobs of each queue are in each state."""
        return Counter((job.order.queue, job.state) for job in self.jobs.values())
