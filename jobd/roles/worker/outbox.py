"""How attempts have ended, on its way to the store: verdicts in the order in which they were reached, in batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from jobd.domain.delivery import Delivery, NewJob
from jobd.domain.fingerprint import fingerprinted
from jobd.domain.outcome import Ending, Outcome
from jobd.domain.settle import COMPLETED, GIVEN_BACK, NEVER_BEGUN
from jobd.roles.verdicts import TOO_LATE, Verdicts
from jobd.store.shard import BATCH, BATCH_BYTES, Settlement


class Outbox:
    """What the store has not been told yet."""

    def __init__(self, verdicts: Verdicts, log: Any) -> None:
        self._verdicts = verdicts
        self._log = log
        self._settlements: deque[Settlement] = deque()

    def __len__(self) -> int:
        return len(self._settlements)

    def put(self, delivery: Delivery, outcome: Outcome, children: Sequence[NewJob]) -> None:
        """An attempt has ended; `children` are the jobs that its handler enqueued with its completion."""
        if outcome.ending is Ending.RETURNED:
            self._settlements.append(Settlement(delivery.id, delivery.fence, COMPLETED, outcome.result, {}, children))
            return
        facts: dict[str, object] = {"worker": delivery.holder, "outcome": outcome.ending}
        if outcome.error:
            facts["error"] = fingerprinted(outcome.error)
        if outcome.reason:
            facts["reason"] = outcome.reason
        verdict = self._verdicts.on(delivery, outcome)
        if verdict.too_late:
            facts["reason"] = TOO_LATE
        if outcome.error:
            self._log.warning(
                "attempt failed",
                job=delivery.id,
                type=delivery.type,
                attempt=f"{delivery.attempt}/{delivery.max_attempts}",
                error=f"{outcome.error.get('type')}: {outcome.error.get('message')}",
                next=verdict.state.value,
            )
        self._settlements.append(Settlement(delivery.id, delivery.fence, verdict, facts=facts))

    def give_back(self, delivery: Delivery) -> None:
        """Its attempt has never begun: it waits again, unless it had come too late."""
        if missed := delivery.missed:
            self.put(delivery, missed, ())
        else:
            self._settlements.append(Settlement(delivery.id, delivery.fence, NEVER_BEGUN))

    def let_go(self, holder: str, strays: Iterable[tuple[str, int]]) -> None:
        """Deliveries, each an id and a fence, that the holder has only by the word of the store: they wait again."""
        facts = {"worker": holder, "outcome": Ending.INTERRUPTED, "reason": "the store has forgotten how it ended"}
        self._settlements.extend(Settlement(job_id, fence, GIVEN_BACK, facts=facts) for job_id, fence in strays)

    @property
    def keys(self) -> set[tuple[str, int]]:
        """Of which deliveries it knows: id and fence of each."""
        return {(item.job_id, item.fence) for item in self._settlements}

    def next_batch(self) -> list[Settlement]:
        """Takes out as much as one script may move."""
        outbox = self._settlements
        batch: list[Settlement] = []
        children = size = 0
        while outbox and len(batch) < BATCH and size < BATCH_BYTES:
            if batch and children + len(outbox[0].children) > BATCH:
                break
            item = outbox.popleft()
            batch.append(item)
            size += len(item.result)
            if item.children:
                children += len(item.children)
                size += sum(len(child.spec) for child in item.children)
        return batch

    def put_back(self, batch: Sequence[Settlement]) -> None:
        """The store did not take it; it goes first the next time."""
        self._settlements.extendleft(reversed(batch))

    def note(self, batch: Sequence[Settlement], answers: Sequence[int]) -> None:
        """The store has answered: tells people of jobs that somebody else had settled before."""
        if 0 in answers:
            for item, answer in zip(batch, answers, strict=True):
                if answer == 0:
                    self._log.warning("a job was settled by somebody else", job=item.job_id, fence=item.fence)

    def clear(self) -> None:
        """Nobody is to be told any more."""
        self._settlements.clear()
