"""The real store against the model: any commands in any order, with crashes, lost replies and steps of the clock."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import uvloop
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jobd.domain.state import State
from jobd.errors import EnqueueExpired, LeaseLost, UniqueConflict
from jobd.store import keys as documented
from jobd.store.edits import Change, Move
from jobd.store.link import Argument, Link
from jobd.store.retention import Retention
from jobd.store.scripts import Script
from jobd.store.shard import Shard
from jobd.store.store import Store
from jobd.store.topology.owner import Owner
from jobd.store.topology.wire import Wire
from tests.real_server import RealServer
from tests.store import model, raw
from tests.store.hands import LEASE_MS, START_MS, Clock
from tests.store.holding import hold, packed, sealed, told, verdicts
from tests.store.limits_model import NEVER, Limits, Waited, moments
from tests.store.model import Loss, Model, Order
from tests.store.unique_model import Answer, Refused

T = TypeVar("T")

WORKERS = ["w1", "w2", "named", "solo"]
LINES = {"w1": ("*",), "w2": ("*",), "named": ("a", "b"), "solo": ("!*",), "m1": ("@monitor",), "m2": ("@monitor",)}
IDS = [*"klmnopqr", *(f"01KAN000000000000000000{number:03}" for number in range(8))]
TYPES = {"w1": ("noop",), "w2": ("noop", "odd"), "named": ("odd",), "solo": ("noop", "odd")}
BATCHES = ["one", "two"]

UNIQUE = [
    *("k:s:wdba:0", "k:s!:wdba:0", "k:r:wdb:0", "k:r:wdba:0", "k:k:wdba:0", "k:s:wdbacfxg:2000", "k:s:wdba:2000"),
    *("l:s:wdbaf:0", "l:s:wdb:0", "l:s:d:0", "l:k:wdba:0", "l:k:wdba:0", "l:r:wdba:0"),
]
"""what makes jobs unique, of two keys"""

LIMITS = [Limits(), Limits(), Limits(), Limits(expires=40), Limits(deadline=3_000), Limits(patience=500)]
LIMITS += [Limits(2_000, 8_000, 5_000)]
orders = st.builds(
    Order,
    id=st.sampled_from(IDS),
    queue=st.sampled_from(["a", "a", "b"]),
    priority=st.sampled_from([1, 5, 5, 10]),
    type=st.sampled_from(["noop", "noop", "noop", "odd"]),
    due=st.sampled_from(["", "", "", "+50", "+3000", str(START_MS + 30_000)]),
    payload=st.sampled_from([b"1", b"\x00\xff"]),
    timeout_ms=st.sampled_from([0, 0, 1, 6_000]),
    unique=st.sampled_from(["", "", "", *UNIQUE]),
    limits=st.sampled_from(LIMITS),
)
some_orders = st.lists(orders, min_size=1, max_size=4)
some_ids = st.lists(st.sampled_from(IDS), min_size=1, max_size=3)
workers = st.sampled_from(WORKERS)
members = st.sampled_from([*WORKERS, "m1", "m2"])


class RecordingLink(Link):
    """A link that remembers the last script it sent, byte by byte."""

    last: tuple[Script, Sequence[bytes], Sequence[Argument]] | None = None

    async def _evaluate(self, wire: Wire, script: Script, keys: Sequence[bytes], arguments: Sequence[Argument]) -> Any:
        self.last = (script, keys, arguments)
        return await super()._evaluate(wire, script, keys, arguments)

    async def again(self) -> Any:
        """Sends it once more."""
        assert self.last is not None
        script, keys, words = self.last
        if script.name == "enqueue":  # which says so itself when it is a repeat
            self.last = script, keys, [*words[:4], "1", *words[5:]]
        return await super()._evaluate(await self.owner.wire(), *self.last)


class StoreMachine(RuleBasedStateMachine):
    """Members and people do what they like with a store, and a model of it."""

    server: RealServer

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.outside = self.server.client()
        self.outside.flushall()
        self.store = Store.at(self.server.url, retention=Retention(completed=1, failed=1, least=0))
        self.shard: Shard = self.store.shards[0]
        self.shard.link = self.link = RecordingLink(self.shard.link.owner)
        self.clock = Clock(self.shard)
        self.model = Model(self.clock.ms, most_completed=1, most_failed=1)
        self.deliveries: list[tuple[str, int, str]] = []
        """all that ever were: job, fence, holder"""
        self.sequences: dict[str, int] = {}
        self.lives: dict[str, int] = {}
        """a member that starts again does so under a new id"""
        self.sent: list[tuple[int, list[Order]]] = []
        self.last_asked: tuple[int, list[Order], str] = 0, [], ""
        """what was enqueued last: when, what, and in which batch"""
        self.moved = 0
        self.latest = 0
        """the latest time there ever was, whatever the clock says now"""

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        self.outside.close()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    def current(self, name: str) -> str:
        """The id of this member's present life."""
        return f"{name}.{self.lives.get(name, 1)}"

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

    # --- people ------------------------------------------------------------------------------------------------------

    def spec_of(self, order: Order) -> bytes:
        """What it is, as the store has it."""
        return self.run(self.shard.specs([order.id]))[0] or bytes(9) + packed(order).spec

    @rule(ids=some_ids)
    def cancel(self, ids: list[str]) -> None:
        assert self.run(self.shard.cancel(ids, {"reason": "why"})) == self.model.cancel(ids)

    @rule(ids=some_ids, ago=st.sampled_from([None, None, 0, 1, 600]))
    def retry(self, ids: list[str], ago: int | None) -> None:
        """As it is sent, or as a repeat of what was sent some time ago."""
        if ago is None:
            assert self.run(self.shard.retry(ids)) == self.model.retry(ids)
            return
        since = self.model.now - ago
        answer = self.run(self.shard._run("retry", since, *ids))
        letters = {"w": "waiting", "d": "delayed", "b": "blocked", "a": "active"}
        assert [letters.get(word.decode(), word.decode()) for word in answer] == self.model.retry(ids, since=since)

    @rule(
        job_id=st.sampled_from(IDS),
        priority=st.sampled_from([None, 1, 5, 10]),
        payload=st.sampled_from([None, b"2"]),
        due=st.sampled_from(["", "", "now", "+50", "+3000"]),
    )
    def change(self, job_id: str, priority: int | None, payload: bytes | None, due: str) -> None:
        job = self.model.jobs.get(job_id)
        order = job.order if job else Order(job_id)
        wanted = replace(order, priority=priority or order.priority, payload=payload or order.payload)
        change = Change(job_id, self.spec_of(order), packed(wanted).spec, due)
        assert self.run(self.shard.change([change])) == [self.model.change(job_id, wanted, due)]

    @rule(job_id=st.sampled_from(IDS), queue=st.sampled_from("ab"), due=st.sampled_from(["", "+50"]))
    def move(self, job_id: str, queue: str, due: str) -> None:
        job = self.model.jobs.get(job_id)
        order = job.order if job else Order(job_id)
        self.moved += 1
        wanted = replace(order, id=f"moved-{self.moved}", queue=queue, due=due, unique="")
        move = Move(job_id, self.spec_of(order), packed(wanted))
        assert self.run(self.shard.move([move], {"reason": "why"})) == [self.model.move(job_id, wanted)]

    @rule(ids=some_ids, states=st.sets(st.sampled_from(list(State))))
    def delete(self, ids: list[str], states: set[State]) -> None:
        answer = self.run(self.shard.delete(ids, states))
        expected = self.model.delete(ids, {state.value for state in states})
        # what was removed is remembered for two to three minutes
        assert [word.replace("gone", "missing") for word in answer] == [
            word.replace("gone", "missing") for word in expected
        ]

    @rule(
        queue=st.sampled_from("ab"),
        state=st.sampled_from([State.COMPLETED, State.FAILED, State.CANCELLED]),
        older_ms=st.sampled_from([0, 1_000]),
    )
    def prune(self, queue: str, state: State, older_ms: int) -> None:
        assert self.run(self.shard.prune(queue, state, older_ms)) == self.model.prune(queue, state.value, older_ms)

    @rule(key=st.sampled_from("kl"), owner=st.sampled_from(["", "", *IDS]))
    def free_a_unique_key(self, key: str, owner: str) -> None:
        freed, was = self.run(self.shard.free_unique(key, owner))
        expected = self.model.free_by_hand(key, owner)
        assert freed == expected[0]
        assert (was and was.owner) == (expected[1] and expected[1].owner)

    @rule()
    def those_whose_time_has_passed_are_ended(self) -> None:
        now = raw.read(self.outside, self.shard.keys.base)
        due = sorted((at, job_id) for job_id, at in now.expiring.items() if at <= self.model.now)
        assert self.run(self.shard.expire()) == len(due)
        self.model.expire([(job_id, waited(now, job_id)) for _, job_id in due])

    @rule()
    def sweep(self) -> None:
        assert self.run(self.shard.sweep()) == self.model.sweep()

    # --- what is true after each step --------------------------------------------------------------------------------

    @invariant()
    def the_store_is_whole_and_agrees_with_the_model(self) -> None:
        now = raw.read(self.outside, self.shard.keys.base)
        raw.check(now)
        assert set(now.jobs) == set(self.model.jobs)
        for job_id, job in self.model.jobs.items():
            agree(job_id, now.jobs[job_id], job)
            if job.state == model.ACTIVE:
                assert now.held[job.holder][job_id] == job.deadline
            assert now.results.get(job_id, b"") == (job.result if job.state == model.COMPLETED else b"")
        assert now.counts == self.model.counts()
        assert now.leases == {name: member.lease_until for name, member in self.model.members.items()}
        assert set(now.stages) == set(self.model.batches)
        assert now.uniques == {
            name: f"{key.owner} {key.since} {key.until} {key.follower}" for name, key in self.model.unique_keys.items()
        }
        self._check_that_limits_are_watched(now)
        for key in now.keys:
            assert any(re.fullmatch(kind, key) for kind in KINDS), key

    def _check_that_limits_are_watched(self, now: raw.Raw) -> None:
        """Whoever waits with a limit is looked at in time, or a minute after it was found to be busy."""
        self.latest = max(self.latest, self.model.now)
        for job_id, job in self.model.jobs.items():
            if job.state in (model.WAITING, model.DELAYED):
                at, _ = self.model.too_late(job, waited(now, job_id))
                assert at == NEVER or now.expiring[job_id] <= max(at, self.latest + 60_000)


def waited(now: raw.Raw, job_id: str) -> Waited:
    record = now.jobs.get(job_id)
    return Waited(record.due, record.finished) if record else Waited()


KINDS = [
    re.sub(r"<[^>]*>", ".+", kind)
    for row in re.findall(r"^\| ([^|]+) \| (?:hash|zset|list|set) \|", documented.__doc__ or "", re.MULTILINE)
    for kind in row.split(", ")
]


class Late(Link):
    """A link on which an enqueue arrives now that was sent at another time."""

    def __init__(self, owner: Owner, clock: Clock, sent_ms: int, repeat: bool) -> None:
        super().__init__(owner)
        self._clock, self._sent_ms, self._repeat = clock, sent_ms, repeat

    async def run_repeating(
        self,
        script: str,
        keys: Sequence[bytes],
        first: Sequence[Argument],
        again: Sequence[Argument],
        patience_s: float,
    ) -> Any:
        sent_us = self._sent_ms * 1_000
        words = [*first[:2], sent_us + 60_000_000, sent_us, "1" if self._repeat else "", *first[5:]]
        return await self.run(script, keys, words, patience_s=patience_s)


def agree(job_id: str, record: raw.Record, job: model.Job) -> None:
    """The record says what the model says."""
    assert record.state == job.state, job_id
    assert (record.queue, record.priority, record.type, record.payload) == (
        job.order.queue,
        job.order.priority,
        job.order.type,
        job.order.payload,
    )
    assert record.limits == moments(job.order.limits, job.limits_from)
    assert (record.attempt, record.deliveries, record.crashes) == (job.attempt, job.deliveries, job.crashes)
    assert record.suspect == job.suspect
    assert record.fence == job.fence
    if job.state == model.ACTIVE:
        assert (record.holder, record.cancel_asked) == (job.holder, job.cancel_asked)
    if job.state in (model.DELAYED, model.BLOCKED):
        assert record.due == job.due
    if job.state == model.BLOCKED:
        assert record.holder == job.batch


def test_the_store_does_what_the_model_does(session_server: RealServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(StoreMachine, session_server, monkeypatch, examples=200, steps=40)


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_the_store_does_what_the_model_does_at_length(
    session_server: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(StoreMachine, session_server, monkeypatch, examples=250, steps=80)
