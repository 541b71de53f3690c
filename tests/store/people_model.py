"""What people are to be able to do with a job, in the plainest words: the part of the model that knows them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

from tests.store.kept_model import Kept
from tests.store.model import ACTIVE, BLOCKED, CANCELLED, COMPLETED, DELAYED, ENDED, WAITING, Job, Order


class People(Kept):
    """Jobs that are cancelled, changed, moved and run again by hand."""

    @abstractmethod
    def _make(self, order: Order, batch: str = "", *, quietly: bool = False) -> Literal[True] | tuple[str, str]: ...

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
