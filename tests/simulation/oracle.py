"""The store: the oracle of the stateful tests, with what Python's side of the store needs around it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from random import Random

from jobd.domain.delivery import Delivery, Lost, Met, NewJob
from jobd.domain.lane_key import lane_key
from jobd.domain.names import same_name
from jobd.errors import EnqueueExpired, LeaseLost, QueueFull, UniqueConflict
from jobd.store.settlement import Settlement
from tests.simulation.gates import FULL, Gated, Rules, spec_of
from tests.simulation.inbox import SimInbox
from tests.simulation.weather import Weather
from tests.store import model
from tests.store.hands import START_MS
from tests.store.limits_model import NO_LIMITS, Limits, Waited
from tests.store.model import ACTIVE, APPLIED, DELAYED, WAITING, Job, LeaseIsLost, Order
from tests.store.unique_model import Refused


class Oracle:
    """One shard, whose every act happens at one moment of the loop's clock."""

    def __init__(self, weather: Weather, dice: Random) -> None:
        self.model = Gated(START_MS, Rules.drawn(dice))
        self.inboxes: dict[str, SimInbox] = {}
        self.lines: dict[str, tuple[str, ...]] = {}
        self.delivered: list[tuple[str, int, str]] = []
        """each delivery: job, fence, holder"""
        self.overdue: set[str] = set()
        """jobs whose time was over in the hands of a worker that was cut off: as if it had hung, for all one knows"""
        self._finished: dict[str, int] = {}
        """when the last attempt of a job ended (ms)"""
        self._handed: dict[str, int] = {}
        """when it was handed over last (ms)"""
        self._delayed: set[str] = set()
        self._servable: set[tuple[str, bool]] = set()
        self._opening: int | None = None
        self.set_back = False
        """was its clock, ever?"""
        self._stepped_ms = 0
        self._weather = weather
        self._dice = dice

    def now_ms(self) -> int:
        """The store's time, which is nobody else's."""
        return START_MS + int(asyncio.get_running_loop().time() * 1_000) + self._stepped_ms

    def step(self, ms: int) -> None:
        """Its clock is set, forwards or back."""
        self._stepped_ms += ms
        self.set_back = self.set_back or ms < 0

    def begin(self) -> Gated:
        """The model, at this moment."""
        self.model.now = self.now_ms()
        return self.model

    # --- coming in -----------------------------------------------------------------------------------------------

    def enqueue(self, jobs: Sequence[NewJob], sent: int, *, repeat: bool, batch: str = "") -> list[bool | Met]:
        now, orders = self.begin(), [_order(job) for job in jobs]
        try:
            answers = now.enqueue(orders, sent=sent, repeat=repeat, batch=batch)
        except Refused as refused:
            if str(refused) == FULL:
                raise QueueFull("there is no room") from None
            raise UniqueConflict(f"{refused} has the key", str(refused)) from None
        self.wake()
        if answers is None:
            raise EnqueueExpired("it came too late")
        return [
            answer if isinstance(answer, bool) else Met(answer[1], replaced=answer[0] == "replaced")
            for answer in answers
        ]

    def commit(self, batch: str, size: int) -> bool:
        return self.begin().commit(batch, size)

    def release(self, batch: str) -> int:
        left = self.begin().release(batch)
        self.wake()
        return left

    def promote(self) -> tuple[int, int | None]:
        moved = self.begin().promote()
        due = [job.due for job in self.model.jobs.values() if job.state == DELAYED]
        opening = self.model.opening()
        self.wake()
        ahead = due if opening is None else [*due, opening]
        return moved, max(0, min(ahead) - self.model.now) if ahead else None

    def expire(self) -> int:
        """Ends those whose time has passed."""
        now = self.begin()
        waiting = [(job, self._waited(job)) for job in now.jobs.values() if job.state in (WAITING, DELAYED)]
        late = [(job.order.id, waited) for job, waited in waiting if now.too_late(job, waited)[0] <= now.now]
        now.expire(late)
        self.wake()
        return len(late)

    def _waited(self, job: Job) -> Waited:
        return Waited(job.due, self._finished.get(job.order.id, 0))

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
        given = [job.order.id for job in now.offered(member, known)[:want]]
        now.fetch(member, sequence, want, known, given)
        self._handed |= dict.fromkeys(given, now.now)
        batch = [self._delivery(job_id) for job_id in given]
        self.delivered += [(delivery.id, delivery.fence, member) for delivery in batch]
        return batch

    def _delivery(self, job_id: str) -> Delivery:
        job = self.model.jobs[job_id]
        spec = spec_of(job.order.payload)
        limits = None
        if spec.limits is not None:
            since = max(job.due, self._finished.get(job_id, 0))
            again = job.deliveries > 1
            limits = spec.limits.begun(
                job.limits_from, started_before=again, by_hand=False, since_ms=since, heartbeat=0
            )
        return Delivery(
            job_id,
            spec.type,
            job.order.queue,
            spec.payload,
            b"",
            job.order.priority,
            spec.options.max_attempts or 1,
            job.order.timeout_ms,
            float(job.made_at),
            job.attempt,
            job.deliveries,
            job.crashes,
            job.suspect,
            job.fence,
            float(self._handed[job_id]),
            job.holder,
            limits,
            lane_key(spec.options, spec.type),
        )

    def settle(self, holder: str, settlements: Sequence[Settlement]) -> list[int]:
        answers = self.begin().settle(holder, [self._settlement(item) for item in settlements])
        applied = (item.job_id for item, answer in zip(settlements, answers, strict=True) if answer == APPLIED)
        self._finished |= dict.fromkeys(applied, self.model.now)
        self.wake()
        return answers

    def _settlement(self, item: Settlement) -> model.Settlement:
        said = item.verdict
        delay_ms = said.until_ms - self.model.now if said.until_ms else said.delay_ms
        verdict = model.Verdict(said.state.value, said.spent, said.suspect, said.crashed, max(0, delay_ms), said.begun)
        children = tuple(map(_order, item.children))
        return model.Settlement(item.job_id, item.fence, verdict, item.result, children)

    def take_over(self, monitor: str) -> list[Lost]:
        try:
            losses = self.begin().take_over(monitor)
        except LeaseIsLost:
            raise LeaseLost(f"the lease of {monitor} has run out") from None
        self.overdue.update(loss.id for loss in losses if loss.overdue)
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
        self.wake()
        return word

    def asked_to_end(self, mine: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        jobs = self.begin().jobs
        return [
            (job_id, fence)
            for job_id, fence in mine
            if (job := jobs.get(job_id)) and job.state == ACTIVE and job.fence == fence and job.cancel_asked
        ]

    def held_by(self, member: str) -> list[tuple[str, int]]:
        model = self.begin()
        return [(job_id, model.jobs[job_id].fence) for job_id in model.held(member)]

    # --- words -----------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Words for those who have something to do now that they had not before; some get lost."""
        delayed = {job.order.id for job in self.model.jobs.values() if job.state == DELAYED}
        servable, opening = self.model.servable(), self.model.opening()
        if delayed - self._delayed or (opening is not None and opening != self._opening):
            self._tell("@scheduler", "look")
        for suspect, line in ((False, "*"), (True, "!*")):
            if any(alone == suspect for _, alone in servable - self._servable):
                self._tell(line, "wake")
        self._delayed, self._servable, self._opening = delayed, servable, opening

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


def _order(job: NewJob) -> Order:
    spec = spec_of(job.spec)
    planned = spec.limits
    limits = (
        Limits(round(-planned.expires_ms), round(-planned.deadline_ms), planned.queue_timeout_ms)
        if planned
        else NO_LIMITS
    )
    return Order(
        id=job.id,
        queue=job.queue,
        priority=job.priority,
        type=same_name(spec.type),
        due=job.due,
        payload=job.spec,
        timeout_ms=spec.options.timeout_ms or 0,
        unique=spec.unique,
        limits=limits,
    )
