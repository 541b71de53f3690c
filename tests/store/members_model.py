"""What members are to do, in the plainest words: the part of the model that knows leases and who takes over."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Sequence

from tests.store.model import ACTIVE, Job, LeaseIsLost, Loss, Member


class Members(ABC):
    """Processes that have joined, and what they hold."""

    now: int
    jobs: dict[str, Job]
    members: dict[str, Member]

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

    def heartbeat(self, job_id: str, holder: str, fence: int, more_ms: int) -> bool:
        job = self.jobs.get(job_id)
        if job is None or job.state != ACTIVE or job.holder != holder or job.fence != fence:
            return False
        job.deadline = self.now + more_ms
        return True
