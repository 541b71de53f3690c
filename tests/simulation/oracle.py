"""The store: the oracle of the stateful tests, with what Python's side of the store needs around it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Any

from jobd.domain.delivery import Delivery, Lost, NewJob
from jobd.domain.names import same_name
from jobd.errors import LeaseLost
from jobd.store.codec import Spec, unpack_spec
from jobd.store.settlement import Settlement
from tests.simulation.inbox import SimInbox
from tests.simulation.weather import Weather
from tests.store import model
from tests.store.hands import START_MS
from tests.store.model import ACTIVE, DELAYED, WAITING, LeaseIsLost, Model, Order


class _Plain(Model):
    """Nothing here is unique, so nothing is ever taken back."""

    def snapshot(self) -> dict[str, Any]:
        """There is no need for one."""
        return {}


class Oracle:
    """One shard, whose every act happens at one moment of the loop's clock."""

    def __init__(self, weather: Weather, dice: Random) -> None:
        self.model = _Plain(START_MS, most_completed=10**6, most_failed=10**6)
        self.specs: dict[str, Spec] = {}
        self.inboxes: dict[str, SimInbox] = {}
        self.lines: dict[str, tuple[str, ...]] = {}
        self.delivered: list[tuple[str, int, str]] = []
        """each delivery: job, fence, holder"""
        self._delayed: set[str] = set()
        self._waiting: set[tuple[str, bool]] = set()
        self._weather = weather
        self._dice = dice

    def now_ms(self) -> int:
        """The store's time."""
        return START_MS + int(asyncio.get_running_loop().time() * 1_000)

    def begin(self) -> Model:
        """The model, at this moment."""
        self.model.now = self.now_ms()
        return self.model

    # --- coming in -----------------------------------------------------------------------------------------------

    def enqueue(self, jobs: Sequence[NewJob], sent: int, *, repeat: bool) -> list[bool] | None:
        answers = self.begin().enqueue([self._order(job) for job in jobs], sent=sent, repeat=repeat)
        self.wake()
        return None if answers is None else [answer is True for answer in answers]

    def _order(self, job: NewJob) -> Order:
        spec = self.specs[job.id] = unpack_spec(struct.pack(">Bd", 1, 0.0) + job.spec)
        return Order(
            id=job.id,
            queue=job.queue,
            priority=job.priority,
            type=same_name(spec.type),
            due=job.due,
            payload=job.spec,
            timeout_ms=spec.options.timeout_ms or 0,
        )

    def promote(self) -> tuple[int, int | None]:
        moved = self.begin().promote()
        due = [job.due for job in self.model.jobs.values() if job.state == DELAYED]
        self.wake()
        return moved, max(0, min(due) - self.model.now) if due else None

    # --- members -------------------------------------------------------------------------------------------------

    def join(self, member: str, lease_ms: int, lines: tuple[str, ...]) -> None:
        try:
            self.begin().join(member, lease_ms, lines)
        except LeaseIsLost:
            raise LeaseLost(f"the lease of {member} has run out") from None
        self.lines[member] = lines

    def leave(self, member: str, cause: str) -> int:
        left = self.begin().leave(member, cause)
        if left:
            self._tell("@monitor", "look")
        return left

    # --- working ---------------------------------------------------------------------------------------------------

    def fetch(self, member: str, sequence: int, want: int, types: str) -> list[Delivery]:
        now = self.begin()
        if not now.lives(member):
            raise LeaseLost(f"the lease of {member} has run out")
        me = now.members[member]
        if sequence < me.sequence:
            return []
        if sequence == me.sequence:
            return [self._delivery(job_id) for job_id in now.fetch_again(member)]
        known = [word for word in types.split(",") if word]
        offered = sorted(now.offered(member, known), key=lambda job: (job.order.priority, job.place))
        given = [job.order.id for job in offered[:want]]
        now.fetch(member, sequence, want, known, given)
        batch = [self._delivery(job_id) for job_id in given]
        self.delivered += [(delivery.id, delivery.fence, member) for delivery in batch]
        return batch

    def _delivery(self, job_id: str) -> Delivery:
        job, spec = self.model.jobs[job_id], self.specs[job_id]
        return Delivery(
            job_id,
            spec.type,
            job.order.queue,
            spec.payload,
            b"",
            job.order.priority,
            spec.options.max_attempts or 1,
            job.order.timeout_ms,
            float(START_MS),
            job.attempt,
            job.deliveries,
            job.crashes,
            job.suspect,
            job.fence,
            float(self.model.now),
            job.holder,
        )

    def settle(self, holder: str, settlements: Sequence[Settlement]) -> list[int]:
        answers = self.begin().settle(holder, [self._settlement(item) for item in settlements])
        self.wake()
        return answers

    def _settlement(self, item: Settlement) -> model.Settlement:
        said = item.verdict
        delay_ms = said.until_ms - self.model.now if said.until_ms else said.delay_ms
        verdict = model.Verdict(said.state.value, said.spent, said.suspect, said.crashed, max(0, delay_ms))
        children = tuple(self._order(child) for child in item.children)
        return model.Settlement(item.job_id, item.fence, verdict, item.result, children)

    def take_over(self, monitor: str) -> list[Lost]:
        try:
            losses = self.begin().take_over(monitor)
        except LeaseIsLost:
            raise LeaseLost(f"the lease of {monitor} has run out") from None
        return [
            Lost(
                self._delivery(loss.id),
                loss.former,
                loss.overdue,
                loss.neighbours,
                loss.cause,
                self.lines.get(loss.former, ("*",))[0].startswith("!"),
            )
            for loss in losses
        ]

    def cancel(self, job_id: str) -> str:
        (word,) = self.begin().cancel([job_id])
        if word == "asked":
            job = self.model.jobs[job_id]
            self._leave(job.holder, f"cancel {job_id} {job.fence}")
        return word

    def asked_to_end(self, mine: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        jobs = self.begin().jobs
        return [
            (job_id, fence)
            for job_id, fence in mine
            if (job := jobs.get(job_id)) and job.state == ACTIVE and job.fence == fence and job.cancel_asked
        ]

    # --- words -----------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Words for those who have something to do now that they had not before; some get lost."""
        delayed = {job.order.id for job in self.model.jobs.values() if job.state == DELAYED}
        waiting = {(job.order.id, job.suspect) for job in self.model.jobs.values() if job.state == WAITING}
        if delayed - self._delayed:
            self._tell("@scheduler", "look")
        for suspect, line in ((False, "*"), (True, "!*")):
            if any(alone == suspect for _, alone in waiting - self._waiting):
                self._tell(line, "wake")
        self._delayed, self._waiting = delayed, waiting

    def _tell(self, line: str, word: str) -> None:
        members = [name for name, lines in self.lines.items() if line in lines and name in self.model.members]
        if members:
            self._leave(self._dice.choice(members), word)

    def _leave(self, member: str, word: str) -> None:
        if not self._weather.loses_word():
            with suppress(KeyError):
                inbox = self.inboxes[member]
                if word not in inbox.words:
                    inbox.leave(word)
