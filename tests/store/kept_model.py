"""What is kept of jobs that have ended, in the plainest words: the part of the model that removes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from tests.store.limits_model import TimeLimits
from tests.store.model import WAITING, Job


class Kept(TimeLimits):
    """Those that have ended, of each queue and state so many."""

    most: dict[str, int]

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
