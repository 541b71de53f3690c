"""The real store against the model: any commands in any order, with crashes, lost replies and steps of the clock."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from jobd.errors import EnqueueExpired, LeaseLost, UniqueConflict
from tests.real_server import RealServer
from tests.store import model, raw
from tests.store.hands import LEASE_MS
from tests.store.holding import hold, packed, sealed, told, verdicts
from tests.store.machine_links import Late
from tests.store.machine_words import (
    BATCHES,
    LINES,
    TYPES,
    members,
    orders,
    some_orders,
    workers,
)
from tests.store.model import Loss, Order
from tests.store.people_machine import PeopleMachine
from tests.store.unique_model import Answer, Refused


class StoreMachine(PeopleMachine):
    """Members and people do what they like with a store, and a model of it."""

    # --- time --------------------------------------------------------------------------------------------------------

    @rule(ms=st.sampled_from([0, 1, 30, 500, 2_500, 6_000]))
    def time_passes_and_what_is_due_is_promoted(self, ms: int) -> None:
        self._forward(ms)
        self.promote()

    @rule(
        ms=st.sampled_from([9_000, 16_000, LEASE_MS + 1, 61_000]),
        living=st.lists(members, min_size=3, max_size=6, unique=True),
    )
    def much_time_passes_and_these_renew_their_leases(self, ms: int, living: list[str]) -> None:
        for step in [5_000] * (ms // 5_000) + [ms % 5_000]:
            self._forward(step)
            self.renew(living)
        for batch in BATCHES:
            self.release(batch)

    def _forward(self, ms: int) -> None:
        self.clock.forward(ms)
        self.model.now += ms

    @rule(ms=st.sampled_from([1, 700]))
    def the_clock_steps_back(self, ms: int) -> None:
        self._forward(-ms)

    @rule(forgotten=st.booleans())
    @precondition(lambda self: self.link.last is not None)
    def the_last_command_is_repeated_byte_by_byte(self, forgotten: bool) -> None:
        before = raw.read(self.outside, self.shard.keys.base)
        if forgotten:
            self.outside.function_flush()
        self.run(self.link.again())
        after = raw.read(self.outside, self.shard.keys.base)
        for mine in (before, after):
            mine.idle, mine.member, mine.keys = {}, {}, set()
        assert before == after
        if self.link.last and self.link.last[0].name == "enqueue":
            now, (self.model.now, wanted, batch) = self.model.now, self.last_asked
            with suppress(Refused):  # what a repeat is told is remembered of more ids
                self.model.enqueue(wanted, sent=self.model.now, repeat=True, batch=batch)
            self.model.now = now

    # --- coming in ---------------------------------------------------------------------------------------------------

    @rule(wanted=some_orders)
    def enqueue(self, wanted: list[Order]) -> None:
        expected: object
        answer: object
        try:
            expected = self.model.enqueue(wanted, sent=self.model.now, repeat=False)
        except Refused as refused:
            expected = str(refused)
        try:
            answer = told(self.run(self.shard.enqueue(list(map(packed, wanted)))))
        except UniqueConflict as conflict:
            answer = conflict.job_id
        assert answer == expected
        self.sent.append((self.model.now, wanted))
        self.last_asked = self.model.now, wanted, ""

    @rule(at=st.integers(0, 20), repeat=st.booleans())
    @precondition(lambda self: self.sent)
    def an_enqueue_sent_earlier_arrives_now(self, at: int, repeat: bool) -> None:
        sent, wanted = self.sent[-1 - at % len(self.sent)]
        try:
            expected = self.model.enqueue(wanted, sent=sent, repeat=repeat)
        except Refused:
            expected = None

        async def late() -> list[Answer] | None:
            plain = self.shard.link
            self.shard.link = Late(plain.owner, self.clock, sent, repeat)
            try:
                return told(await self.shard.enqueue(list(map(packed, wanted))))
            except (EnqueueExpired, UniqueConflict):
                return None
            finally:
                self.shard.link = plain

        assert self.run(late()) == expected
        self.link.last = None  # what it has seen is not the last command any more

    @rule(batch=st.sampled_from(BATCHES), wanted=some_orders, size=st.integers(0, 5), released=st.booleans())
    def a_batch_goes_on(self, batch: str, wanted: list[Order], size: int, released: bool) -> None:
        once = [
            order if order.unique.partition(":")[2].startswith("s:") else replace(order, unique="")
            for order in {order.id: order for order in wanted}.values()
        ]
        answer = told(self.run(self.shard.stage(batch, list(map(packed, once)))))
        assert answer == self.model.enqueue(once, sent=self.model.now, repeat=False, batch=batch)
        self.last_asked = self.model.now, once, batch
        if size:
            assert self.run(self.shard.commit(batch, size)) == self.model.commit(batch, size)
        if released:
            self.release(batch)

    def release(self, batch: str) -> None:
        assert self.run(self.shard.release(batch)) == self.model.release(batch)

    def promote(self) -> None:
        moved, next_in_ms = self.run(self.shard.promote())
        assert moved == self.model.promote()
        due = [job.due for job in self.model.jobs.values() if job.state == model.DELAYED]
        assert next_in_ms == (min(due) - self.model.now if due else None)

    # --- members -----------------------------------------------------------------------------------------------------

    @initialize(wanted=st.lists(orders, min_size=3, max_size=8))
    def all_join_and_there_is_work(self, wanted: list[Order]) -> None:
        for name in LINES:
            self.join(name)
        self.enqueue(wanted)

    def join(self, name: str) -> None:
        member = self.current(name)
        call = self.shard.join(member, lease_ms=LEASE_MS, lines=LINES[name], about=b"{}")
        try:
            self.model.join(member, LEASE_MS, LINES[name])
        except model.LeaseIsLost:
            with pytest.raises(LeaseLost):
                self.run(call)
        else:
            self.run(call)

    @rule(name=members, crashed=st.booleans())
    def one_joins_again(self, name: str, crashed: bool) -> None:
        """Under its id, or under a new one: then its old life ended without a word, and its lease runs on."""
        if crashed:
            self.lives[name] = self.lives.get(name, 1) + 1
        self.join(name)

    def renew(self, names: list[str]) -> None:
        ids = [self.current(name) for name in names]
        goes_on, suspects = self.run(self.shard.renew(ids, LEASE_MS, patience_s=5))
        assert goes_on == self.model.renew(ids, LEASE_MS)
        waiting = [job for job in self.model.jobs.values() if job.state == model.WAITING and job.suspect]
        assert suspects or not waiting

    @rule(name=members, life=st.integers(0, 1))
    def leave(self, name: str, life: int) -> None:
        """By itself, or seen to have died."""
        member = f"{name}.{max(1, self.lives.get(name, 1) - life)}"
        assert self.run(self.shard.leave(member, "killed")) == self.model.leave(member, "killed")

    # --- working -----------------------------------------------------------------------------------------------------

    def _fetched(self, member: str, name: str, sequence: int, want: int) -> None:
        types = f",{','.join(TYPES[name])},"
        call = self.shard.turn(member, [], sequence=sequence, want=want, types=types)
        if not self.model.lives(member):
            with pytest.raises(LeaseLost):
                self.run(call)
            return
        _, batch = self.run(call)
        given = [delivery.id for delivery in batch]
        last = self.model.members[member].sequence
        if sequence < last:
            assert given == []
        elif sequence == last:
            assert given == self.model.fetch_again(member)
        else:
            self.model.fetch(member, sequence, want, TYPES[name], given)
        for delivery in batch:
            job = self.model.jobs[delivery.id]
            assert (delivery.payload, delivery.type, delivery.queue) == (
                job.order.payload,
                job.order.type,
                job.order.queue,
            )
            assert (delivery.fence, delivery.holder, delivery.attempt) == (job.fence, member, job.attempt)
            self.deliveries.append((delivery.id, delivery.fence, member))

    @rule(name=workers, want=st.sampled_from([0, 1, 1, 2, 10]), stubborn=st.sampled_from([False, False, False, True]))
    def fetch(self, name: str, want: int, stubborn: bool) -> None:
        if not stubborn and not self.model.lives(self.current(name)):
            self.one_joins_again(name, crashed=True)
        member = self.current(name)
        sequence = self.sequences.get(member, 0) + 1
        self._fetched(member, name, sequence, want)
        self.sequences[member] = sequence

    @rule(name=workers, older=st.integers(0, 2))
    def a_fetch_is_repeated(self, name: str, older: int) -> None:
        member = self.current(name)
        sequence = self.sequences.get(member, 0) - older
        if sequence > 0:
            self._fetched(member, name, sequence, 10)

    @rule(
        wanted=st.lists(orders, max_size=3),
        turns=st.lists(
            st.tuples(workers, st.sampled_from([1, 2, 10]), st.lists(verdicts, max_size=4)), min_size=1, max_size=4
        ),
    )
    def work_is_done(self, wanted: list[Order], turns: list[tuple[str, int, list[model.Verdict]]]) -> None:
        if wanted:
            self.enqueue(wanted)
        for name, want, chosen in turns:
            self.fetch(name, want, stubborn=False)
            held = self.model.held(self.current(name))
            self._settled(
                self.current(name),
                [
                    model.Settlement(
                        job_id,
                        self.model.jobs[job_id].fence,
                        verdict,
                        b"7" if verdict.state == model.COMPLETED else b"",
                    )
                    for job_id, verdict in zip(held, chosen, strict=False)
                ],
            )

    @rule(
        chosen=st.lists(
            st.tuples(
                st.integers(0, 7),
                verdicts,
                st.lists(orders, max_size=2, unique_by=lambda order: order.id),
                st.sampled_from([0, 0, 0, -1]),
            ),
            min_size=1,
            max_size=4,
        ),
        foreign=st.sampled_from([False, False, False, True]),
    )
    @precondition(lambda self: self.deliveries)
    def settle_whatever_ever_was_delivered(
        self, chosen: list[tuple[int, model.Verdict, list[Order], int]], foreign: bool
    ) -> None:
        recent = self.deliveries[::-1]
        holder = "m1.1" if foreign else recent[chosen[0][0] % len(recent)][2]
        items = []
        for at, verdict, children, off in chosen:
            job_id, fence, _ = recent[at % len(recent)]
            result = b"7" if verdict.state == model.COMPLETED else b""
            items.append(model.Settlement(job_id, fence + off, verdict, result, tuple(children)))
        self._settled(holder, items)

    def _settled(self, holder: str, items: list[model.Settlement]) -> None:
        expected = self.model.settle(holder, items)
        assert self.run(self.shard.settle(holder, list(map(sealed, items)))) == expected

    @rule(more_ms=st.sampled_from([1, 10_000]), at=st.integers(0, 5))
    @precondition(lambda self: self.deliveries)
    def heartbeat(self, more_ms: int, at: int) -> None:
        job_id, fence, holder = self.deliveries[-1 - at % len(self.deliveries)]
        answer = self.run(self.shard._run("extend", job_id, holder, fence, more_ms))
        assert (answer == 1) == self.model.heartbeat(job_id, holder, fence, more_ms)

    @rule(name=st.sampled_from(["m1", "m1", "m2"]), verdict=verdicts, settled=st.booleans())
    def take_over(self, name: str, verdict: model.Verdict, settled: bool) -> None:
        monitor = self.current(name)
        try:
            expected = self.model.take_over(monitor)
        except model.LeaseIsLost:
            with pytest.raises(LeaseLost):
                self.run(self.shard.take_over(monitor))
            return
        lost, start, _ = self.run(self.shard.take_over(monitor))
        assert start == 0
        seen = {
            Loss(
                item.delivery.id,
                item.delivery.fence,
                item.former_holder,
                item.overdue,
                item.neighbours,
                item.cause,
            )
            for item in lost
        }
        assert seen == set(expected)
        for item in lost:
            assert item.holder_was_solo == item.former_holder.startswith("solo")
            assert item.delivery.holder == monitor
            self.deliveries.append((item.delivery.id, item.delivery.fence, monitor))
        if settled and lost:
            self._settled(monitor, [model.Settlement(loss.id, loss.fence, verdict) for loss in expected])

    @rule(
        names=st.lists(workers, min_size=1, max_size=2, unique=True),
        how=st.sampled_from(["killed", "silent", "hung"]),
        verdict=verdicts,
    )
    def workers_are_lost_and_their_jobs_taken_over(self, names: list[str], how: str, verdict: model.Verdict) -> None:
        """They die and are seen to, or fall silent, or hang in a job while they live."""
        for name in names:
            self.fetch(name, 2, stubborn=True)
        if how == "killed":
            for name in names:
                self.leave(name, 0)
        else:
            others = [name for name in LINES if how == "hung" or name not in names]
            self.much_time_passes_and_these_renew_their_leases(LEASE_MS + 1_001, others)
        self.take_over("m1", verdict, settled=how != "hung")


def test_the_store_does_what_the_model_does(session_server: RealServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(StoreMachine, session_server, monkeypatch, examples=200, steps=40)


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_the_store_does_what_the_model_does_at_length(
    session_server: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(StoreMachine, session_server, monkeypatch, examples=250, steps=80)
