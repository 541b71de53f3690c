"""How attempts have ended, on its way to the store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from jobd import clock, log
from jobd.catalog import Catalog
from jobd.domain.delivery import Delivery
from jobd.domain.levels import Levels
from jobd.domain.outcome import Ending, ErrorRecord, Outcome
from jobd.domain.settle import CANCELLED, COMPLETED, GIVEN_BACK, NEVER_BEGUN
from jobd.domain.state import State
from jobd.domain.time_limits import TimeLimits
from jobd.roles.verdicts import TOO_LATE, Verdicts
from jobd.roles.worker.outbox import Outbox
from jobd.store.shard import BATCH, BATCH_BYTES, Settlement
from tests.store.hands import new_job

ERROR = ErrorRecord(type="ValueError", message="no")
RETURNED = Outcome(Ending.RETURNED, result=b"7")


def outbox() -> Outbox:
    return Outbox(Verdicts(Catalog([]), Levels()), log.get("worker"))


def delivery(number: int = 1, **more: Any) -> Delivery:
    made = Delivery(f"j{number}", "noop", "default", b"{}", b"", 5, 2, 0, 0.0, 1, 1, 0, False, number, 10.0, "w1")
    return replace(made, **more)


def put(outcome: Outcome, **more: Any) -> Settlement:
    """What the store is told of an attempt that has ended so."""
    box = outbox()
    box.put(delivery(**more), outcome, ())
    (settlement,) = box.next_batch()
    return settlement


def test_a_job_that_has_returned_takes_its_result_and_what_it_enqueued_along() -> None:
    box, children = outbox(), [new_job("child")]
    box.put(delivery(), RETURNED, children)
    assert box.next_batch() == [Settlement("j1", 1, COMPLETED, b"7", {}, children)]


def test_the_history_is_told_how_an_attempt_ended_and_why() -> None:
    raised = put(Outcome(Ending.RAISED, error=ERROR))
    assert (raised.verdict.state, set(raised.facts)) == (State.DELAYED, {"worker", "outcome", "error"})
    assert raised.facts["error"]["message"] == "no"
    cancelled = put(Outcome(Ending.CANCELLED, reason="enough"))
    assert cancelled.verdict == CANCELLED
    assert cancelled.facts == {"worker": "w1", "outcome": Ending.CANCELLED, "reason": "enough"}
    assert set(put(Outcome(Ending.CANCELLED)).facts) == {"worker", "outcome"}


def test_people_are_told_of_an_attempt_that_failed_and_of_no_other() -> None:
    with capture_logs() as said:
        put(Outcome(Ending.RAISED, error=ERROR))
        put(Outcome(Ending.INTERRUPTED, reason="its worker stopped"))
        put(RETURNED)
    assert [(line["attempt"], line["error"], line["next"]) for line in said] == [("1/2", "ValueError: no", "delayed")]


def test_a_job_whose_next_attempt_would_be_too_late_has_failed_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now_ms", lambda: 1_000)
    limits = TimeLimits(expires_ms=0, queue_ends_ms=0, deadline_ms=1_100, heartbeat_ms=0)
    told = put(Outcome(Ending.RAISED, error=ERROR, reason="why"), limits=limits)
    assert (told.verdict.state, told.facts["reason"]) == (State.FAILED, TOO_LATE)
    in_time = put(Outcome(Ending.RAISED, error=ERROR, reason="why", after_ms=5), limits=limits)
    assert (in_time.verdict.state, in_time.facts["reason"]) == (State.DELAYED, "why")


def test_what_has_never_begun_waits_again_unless_it_had_come_too_late() -> None:
    box, late = outbox(), TimeLimits(expires_ms=9, queue_ends_ms=0, deadline_ms=0, heartbeat_ms=0)
    box.give_back(delivery(1))
    box.give_back(delivery(2, limits=late))
    assert box.keys == {("j1", 1), ("j2", 2)}
    first, second = box.next_batch()
    assert (first.verdict, second.verdict.state) == (NEVER_BEGUN, State.CANCELLED)
    box.let_go("w1", [("j3", 3)])
    (stray,) = box.next_batch()
    assert (stray.job_id, stray.fence, stray.verdict) == ("j3", 3, GIVEN_BACK)


@pytest.mark.parametrize(
    ("ends", "batches"),
    [
        ([(0, 0)] * (2 * BATCH + 1), [BATCH, BATCH, 1]),
        ([(0, 0)] * BATCH, [BATCH]),
        ([(BATCH, 0)], [1]),
        ([(BATCH - 1, 0), (1, 0), (1, 0)], [2, 1]),
        ([(0, 0), (BATCH, 0), (1, 0)], [2, 1]),
        ([(2 * BATCH, 0), (0, 0), (1, 0)], [1, 2]),
        ([(0, BATCH_BYTES - 1), (0, 1), (0, 0)], [2, 1]),
        ([(0, BATCH_BYTES), (0, 0)], [1, 1]),
    ],
)
def test_one_script_moves_so_many_jobs_with_what_they_enqueued_and_so_many_bytes(
    ends: list[tuple[int, int]], batches: list[int]
) -> None:
    box, child = outbox(), new_job("child")
    for number, (children, size) in enumerate(ends):
        box.put(delivery(number), Outcome(Ending.RETURNED, result=b"x" * size), [child] * children)
    taken = [box.next_batch() for _ in batches]
    assert ([len(batch) for batch in taken], len(box)) == (batches, 0)
    assert [item.fence for batch in taken for item in batch] == list(range(len(ends)))


def test_the_bytes_of_what_was_enqueued_count_too() -> None:
    box, child = outbox(), new_job("child")
    large = child._replace(spec=b"x" * BATCH_BYTES)
    box.put(delivery(1), RETURNED, [large])
    box.put(delivery(2), RETURNED, ())
    assert [len(box.next_batch()), len(box.next_batch())] == [1, 1]


def test_what_the_store_did_not_take_goes_first_the_next_time() -> None:
    box = outbox()
    for number in range(3):
        box.put(delivery(number), RETURNED, ())
    first = box.next_batch()
    box.put(delivery(3), RETURNED, ())
    box.put_back(first)
    assert [item.fence for item in box.next_batch()] == [0, 1, 2, 3]


def test_people_are_told_of_a_job_that_somebody_else_had_settled_and_of_no_other() -> None:
    box = outbox()
    for number in range(3):
        box.put(delivery(number), RETURNED, ())
    batch = box.next_batch()
    with capture_logs() as said:
        box.note(batch, [1, 2, 1])
        box.note(batch, [1, 0, 2])
    assert [line["job"] for line in said] == ["j1"]
