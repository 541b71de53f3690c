"""The monitor's reaper: jobs whose worker is gone or whose time is over leave by the same door as all others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from anyio import create_task_group

from jobd import clock, log
from jobd.actors.actor import Report
from jobd.actors.message_actor import MessageActor
from jobd.actors.timer import Tick, Timer
from jobd.domain.delivery import Lost
from jobd.domain.failure import TimedOut
from jobd.domain.fingerprint import fingerprinted
from jobd.domain.outcome import Ending, Outcome
from jobd.errors import LeaseLost, StoreError
from jobd.roles.membership import LEFT, Membership
from jobd.roles.verdicts import TOO_LATE, Verdicts
from jobd.store.shard import BATCH, Settlement

LOOK_S = 1.0
"""seconds between two looks when nobody calls"""
STAGES_S = 10.0
"""seconds between two looks for batches whose producer did not bring them to their end"""
_LAST_LOOK_S = 2.0
EXPIRY_S = 5.0
"""seconds between two looks for jobs that wait although their time has passed"""
_LOST, _STAGES, _EXPIRY = Tick("lost"), Tick("stages"), Tick("expiry")


class Reaper(MessageActor[Tick]):
    """Takes over what is lost, settles it as lost, ends what waits too long, and takes staged batches further whose
    producer is gone."""

    def __init__(
        self,
        membership: Membership,
        verdicts: Verdicts,
        *,
        report: Report,
        on_settled: Callable[[Sequence[Settlement], Sequence[int]], None] = lambda settlements, answers: None,
    ) -> None:
        """`on_settled` is told what it settled and what the store answered."""
        super().__init__("reaper", report=report)
        self._membership = membership
        self._shard = membership.shard
        self._verdicts = verdicts
        self._on_settled = on_settled
        self._log = log.get("monitor")
        self._cut_off_until = 0.0
        """until then, by the monotonic clock, who is silent may only be cut off from the store, as this monitor was"""
        self.timers = (
            Timer(self.tell, _LOST, interval=LOOK_S),
            Timer(self.tell, _STAGES, interval=STAGES_S),
            Timer(self.tell, _EXPIRY, interval=EXPIRY_S),
        )

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """A member of the store as long as it lives."""
        await self._membership.join()
        try:
            async with super().life(), create_task_group() as tasks:
                tasks.start_soon(self._membership.listen, self._told)
                yield
                tasks.cancel_scope.cancel()
            await self._last_look()
        finally:
            await self._membership.leave()

    async def _last_look(self) -> None:
        """What those have left behind who stopped just before us."""
        try:
            async with asyncio.timeout(_LAST_LOOK_S):
                await self.settle_lost()
        except (StoreError, TimeoutError) as error:
            self._log.warning("what was left behind is for another monitor", error=repr(error))

    def _told(self, word: str | None) -> None:
        if word is not None:
            self.tell(_LOST)

    async def handle(self, message: Tick) -> None:
        """One look."""
        if message == _STAGES:
            await self.release_staged()
        elif message == _EXPIRY:
            await self.expire()
        else:
            await self.settle_lost()

    async def settle_lost(self) -> int:
        """Settles all that is lost now. Returns how many jobs that were."""
        settled, start, more = 0, 0, True
        while more or start:
            try:
                lost, start, more = await self._shard.take_over(self._membership.id, start=start)
            except LeaseLost:
                await self._membership.join()
                self._cut_off_until = clock.monotonic() + self._membership.lease_ms / 1_000
                return settled
            if lost:
                settlements = [self._settlement(item) for item in lost]
                answers = await self._shard.settle(self._membership.id, settlements)
                self._on_settled(settlements, answers)
                settled += len(lost)
        return settled

    async def release_staged(self) -> None:
        """Releases what was committed, and gives up what was not in time."""
        for batch in await self._shard.staged():
            while await self._shard.release(batch) > 0:
                pass

    async def expire(self) -> None:
        """Ends jobs that wait although their time has passed."""
        while await self._shard.expire() == BATCH:
            pass

    def _settlement(self, lost: Lost) -> Settlement:
        delivery = lost.delivery
        outcome = outcome_of(lost, silence_is_death=clock.monotonic() >= self._cut_off_until)
        if outcome.ending is Ending.TIMED_OUT:
            outcome = self._verdicts.ruled(delivery, outcome, TimedOut(outcome.reason))
        verdict = self._verdicts.on(delivery, outcome)
        self._log.warning(
            "job taken over",
            job=delivery.id,
            type=delivery.type,
            worker=lost.former_holder,
            why=outcome.reason,
            next=str(verdict.state),
        )
        facts: dict[str, object] = {"worker": lost.former_holder, "outcome": outcome.ending, "reason": outcome.reason}
        if verdict.too_late:
            facts["reason"] = TOO_LATE
        if verdict.poison:
            times = delivery.crashes + 1
            message = f"it took down its process {times} times while nothing else ran there; the attempts say how"
            facts["error"] = fingerprinted({"type": "Poison", "message": message})
        elif outcome.error:
            facts["error"] = fingerprinted(outcome.error)
        return Settlement(delivery.id, delivery.fence, verdict, facts=facts)


def outcome_of(lost: Lost, *, silence_is_death: bool) -> Outcome:
    """What happened to a delivery that was taken over.

    It has taken its process down while alone there if somebody saw that, or if a holder for suspects fell silent until
    its lease ran out. The latter is how it looks when a job takes its supervisor down too, with all the memory of the
    machine, say. Also a power cut looks like that, or a broken network; but a job is poison only after three such
    deaths in a row, each with this job and no other in hand. `silence_is_death` is False where silence proves nothing,
    for the monitor was cut off itself.
    """
    if missed := lost.delivery.missed:
        return missed  # its worker would have said so too, and it has not begun by being handed over
    if lost.overdue:
        if lost.delivery.limits is None and lost.delivery.timeout_ms:
            late = f"it ran for more than {lost.delivery.timeout_ms / 1_000:g} s"
        else:
            late = "one of its limits of time was over"
        message = f"{late} and its worker did not end it"
        return Outcome(Ending.TIMED_OUT, error={"type": "TimeoutError", "message": message}, reason=message)
    if lost.cause == LEFT:
        return Outcome(Ending.INTERRUPTED, reason="its worker stopped before it was done")
    alone = lost.holder_was_solo and lost.neighbours == 1 and (lost.cause != "" or silence_is_death)
    reason = f"its worker is gone: {lost.cause}" if lost.cause else "its worker was not heard of in time"
    return Outcome(Ending.LOST, reason=reason, alone=alone)
