"""What a store of jobs is to do, in the plainest words: jobs that come in, become due, are given out and settled."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Literal

from jobd.domain.ids import is_made_id
from tests.store.members_model import Members
from tests.store.model import (
    ACTIVE,
    APPLIED,
    BEFORE,
    BLOCKED,
    CANCELLED,
    COMPLETED,
    DELAYED,
    ENDED,
    ENQUEUE_MS,
    FAILED,
    LATE_MS,
    MARGIN_MS,
    REFUSED,
    WAITING,
    Batch,
    Job,
    Member,
    Order,
    Settlement,
)
from tests.store.people_model import People
from tests.store.unique_model import Answer, Key, Refused


class Model(People, Members):
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
        answered: dict[str, Answer] = {}
        fresh: list[str] = []
        for order in orders:
            job = self.jobs.get(order.id)
            if order.id in answered:
                first = answered[order.id]
                made.append(False if first is True else first)
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
            answered.setdefault(order.id, made[-1])
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
        met = self.meet(order, due, quietly=quietly)
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
        for item in applied:
            job = self.jobs[item.id]
            if not item.verdict.begun and not job.deliveries and job.state == WAITING:
                self.take_again(job)
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
        if not verdict.begun:
            job.deliveries -= 1
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
