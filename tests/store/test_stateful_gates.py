"""Gates under any commands in any order: no limit is ever broken, nobody's turn is taken, and nothing that may run is
left behind. What may run is judged from the records alone, by rules of its own."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
import uvloop
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jobd.domain.delivery import Delivery
from jobd.domain.settle import CANCELLED, COMPLETED, FAILED, GIVEN_BACK, Verdict
from jobd.domain.state import State
from jobd.store.edits import Change, Move
from jobd.store.shard import Settlement, Shard
from jobd.store.store import Store
from tests.real_server import RealServer
from tests.store import raw
from tests.store.hands import CRASHED_ALONE, LOST, Clock, Hands, ended, new_job
from tests.store.holding import hold

T = TypeVar("T")

KEYS = [
    "",
    "",
    "g=a",
    "g=b",
    "o=x",
    "o=y",
    "c=k:1",
    "c=m:2",
    "g=a;c=k:1",
    "o=x;c=m:2",
    "g=b;r=s:2/1000",
    "c=k:1;r=s:2/1000",
]
GATES = ["q/one", "q/two", "t/noop", "t/odd", "g/one/a", "g/two/b", "c/k", "c/m"]
RULES = [None, {"concurrency": 1}, {"concurrency": 2}, {"concurrency": 5}, {"paused": {"reason": "why"}}]
QUEUE_RULES = [{"group_concurrency": 1}, {"group_concurrency": 3}, {"ageing_ms": 1_000}]
BOTH = ",noop,odd,"
RATE_N, RATE_MS = 2, 1_000
LONGEST_CLAIM_MS = 10_250
"""room at a rate is kept for no longer"""

verdicts = st.sampled_from(
    [
        COMPLETED,
        COMPLETED,
        FAILED,
        CANCELLED,
        GIVEN_BACK,
        LOST,
        CRASHED_ALONE,
        Verdict(State.DELAYED, delay_ms=500),
        Verdict(State.WAITING, delay_ms=700, spent=False, holds_rate=True),
    ]
)
wishes = st.tuples(
    st.sampled_from(KEYS),
    st.sampled_from(["one", "one", "two"]),
    st.sampled_from([1, 5, 5]),
    st.sampled_from(["noop", "noop", "odd"]),
    st.booleans(),
)


class GateMachine(RuleBasedStateMachine):
    """Workers, operators and time do what they like."""

    server: RealServer

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.outside = self.server.client()
        self.outside.flushall()
        self.store = Store.at(self.server.url)
        self.shard: Shard = self.store.shards[0]
        self.clock = Clock(self.shard)
        self.hands = Hands(self.shard, self.clock)
        self.active: dict[str, Delivery] = {}
        self.said: dict[str, dict[str, Any]] = {}
        self.starts: list[int] = []
        """when jobs of the rate key started"""
        self.held_until = 0
        self.order: dict[str, list[str]] = {"x": [], "y": []}
        """jobs of each ordering key in the order in which they came, until they end"""
        self.lives = 1

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        self.outside.close()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    @property
    def worker(self) -> str:
        return f"w{self.lives}"

    @initialize(wanted=st.lists(wishes, min_size=1, max_size=8))
    def there_is_work(self, wanted: list[tuple[str, str, int, str, bool]]) -> None:
        self.run(self.hands.join("solo", "!*"))
        self.run(self.hands.join(self.worker))
        self.enqueue(wanted)

    @rule(wanted=st.lists(wishes, min_size=1, max_size=6))
    def enqueue(self, wanted: list[tuple[str, str, int, str, bool]]) -> None:
        for key, queue, priority, job_type, front in wanted:
            # an ordering key means one in each queue: here each is used in one
            queue = "one" if "o=" in key else queue
            front = front and "o=" not in key
            weight = _weight(key, job_type)
            job = new_job(lane_key=key, queue=queue, priority=priority, type=job_type, front=front, weight=weight)
            self.run(self.hands.put(job))
            if "o=" in key:
                self.order[_part(key, "o") or ""].append(job.id)

    @rule(gate=st.sampled_from(GATES), changes=st.sampled_from(RULES))
    def an_operator_says_a_rule(self, gate: str, changes: dict[str, Any] | None) -> None:
        self.run(self.shard.set_rule(gate, None))
        self.run(self.shard.set_rule(gate, changes))
        self.said[gate] = changes or {}

    @rule(queue=st.sampled_from(["one", "two"]), changes=st.sampled_from(QUEUE_RULES))
    def an_operator_says_how_a_queue_is_served(self, queue: str, changes: dict[str, Any]) -> None:
        self.run(self.shard.set_rule(f"q/{queue}", changes))
        self.said[f"q/{queue}"] = {**self.said.get(f"q/{queue}", {}), **changes}

    @rule(want=st.sampled_from([1, 2, 3, 10]), types=st.sampled_from([BOTH, BOTH, ",noop,"]), solo=st.booleans())
    def fetch(self, want: int, types: str, solo: bool) -> None:
        member = "solo" if solo else self.worker
        for delivery in self.run(self.hands.fetch(member, want=want, types=types)):
            self._check_turn(delivery)
            self.active[delivery.id] = delivery
            self._note_start(delivery)
        self._check_limits()

    @rule(chosen=st.lists(st.tuples(st.integers(0, 9), verdicts), min_size=1, max_size=4))
    def settle(self, chosen: list[tuple[int, Verdict]]) -> None:
        for at, verdict in chosen:
            if not self.active:
                return
            delivery = list(self.active.values())[at % len(self.active)]
            self._settled(delivery, verdict)

    def _settled(self, delivery: Delivery, verdict: Verdict) -> None:
        done = verdict is COMPLETED
        item = Settlement(delivery.id, delivery.fence, COMPLETED) if done else ended(delivery, verdict)
        if verdict.holds_rate and "r=s" in self._records().jobs[delivery.id].key:
            self.held_until = max(self.held_until, self.clock.ms + verdict.delay_ms)
        assert self.run(self.shard.settle(delivery.holder, [item])) == [1]
        del self.active[delivery.id]
        if self._records().jobs[delivery.id].state in ("completed", "failed", "cancelled"):
            self._forget(delivery.id)

    @rule(at=st.integers(0, 20))
    def cancel(self, at: int) -> None:
        jobs = sorted(self._records().jobs)
        job_id = jobs[at % len(jobs)] if jobs else "none"
        if self.run(self.shard.cancel([job_id], {})) == ["cancelled"]:
            self._forget(job_id)

    @rule(at=st.integers(0, 20), states=st.sampled_from([list(State), [State.WAITING, State.DELAYED]]))
    def remove(self, at: int, states: list[State]) -> None:
        if (job_id := self._unordered(at)) and self.run(self.shard.delete([job_id], states)) == ["gone"]:
            self.active.pop(job_id, None)

    @rule(at=st.integers(0, 20))
    def run_again(self, at: int) -> None:
        if job_id := self._unordered(at):
            self.run(self.shard.retry([job_id]))

    @rule(at=st.integers(0, 20), key=st.sampled_from(["", "g=a", "g=b", "c=k:1"]), priority=st.sampled_from([1, 5]))
    def change(self, at: int, key: str, priority: int) -> None:
        if job_id := self._unordered(at):
            (spec,) = self.run(self.shard.specs([job_id]))
            assert spec is not None
            job = self._records().jobs[job_id]
            new = new_job(lane_key=key, queue=job.queue, priority=priority, type=job.type)
            self.run(self.shard.change([Change(job_id, spec, new.spec)]))

    @rule(at=st.integers(0, 20))
    def move(self, at: int) -> None:
        if job_id := self._unordered(at):
            (spec,) = self.run(self.shard.specs([job_id]))
            assert spec is not None
            new = new_job(lane_key="g=a", queue="two")
            self.run(self.shard.move([Move(job_id, spec, new)], {}))

    def _unordered(self, at: int) -> str | None:
        """A job without an ordering key, whose turn nobody looks at."""
        jobs = sorted(job_id for job_id, job in self._records().jobs.items() if "o=" not in job.key)
        return jobs[at % len(jobs)] if jobs else None

    @rule(ms=st.sampled_from([1, 100, 500, 1_000]))
    def time_passes(self, ms: int) -> None:
        self.clock.forward(ms)
        self.run(self.shard.promote())

    @rule()
    def the_worker_dies_and_its_jobs_are_taken_over(self) -> None:
        self.run(self.shard.leave(self.worker, "killed"))
        self.lives += 1
        self.run(self.hands.join(self.worker))
        monitor = self.run(self.hands.monitor(f"m{self.lives}"))
        for lost in self.run(self.hands.take_over(monitor)):
            self.active[lost.delivery.id] = lost.delivery
            self._settled(lost.delivery, LOST)

    @rule()
    def nothing_that_may_run_is_left_behind(self) -> None:
        """All fetch as long as there is anything to be had; what still waits then has a reason."""
        self.run(self.shard.promote())
        # what one of them opens may be for the other
        for member in (self.worker, "solo") * 3:
            for _ in range(30):
                batch = self.run(self.hands.fetch(member, want=10, types=BOTH))
                for delivery in batch:
                    self._check_turn(delivery)
                    self.active[delivery.id] = delivery
                    self._note_start(delivery)
                if not batch and not self.run(self.hands.words(member)):
                    break
        self._check_limits()
        records = self._records()
        for job_id, job in records.jobs.items():
            if job.state == "waiting":
                assert self._is_kept(records, job_id, job), (job_id, job)

    # --- what is true ------------------------------------------------------------------------------------------------

    @invariant()
    def places_are_held_by_those_who_say_so(self) -> None:
        records = self._records()
        raw.check(records)
        held = Counter(name for job in records.jobs.values() for name in job.holds if not name.startswith("o/"))
        turns = {name: job_id for job_id, job in records.jobs.items() for name in job.holds if name.startswith("o/")}
        assert {name: int(count) for name, count in records.holds.items() if not name.startswith("o/")} == held
        told = {name: job_id for name, job_id in records.holds.items() if name.startswith("o/")}
        assert turns.items() <= told.items()
        for name, job_id in told.items():  # without a record of it: given to one that stands aside
            assert turns.get(name) == job_id or records.jobs[job_id].state == "waiting"

    def _records(self) -> raw.Raw:
        return raw.read(self.outside, self.shard.keys.base)

    def _forget(self, job_id: str) -> None:
        for line in self.order.values():
            if job_id in line:
                line.remove(job_id)

    def _note_start(self, delivery: Delivery) -> None:
        job = self._records().jobs[delivery.id]
        if "r=s" in job.key:
            self.starts += [self.clock.ms] * _weight(job.key, job.type)

    def _check_turn(self, delivery: Delivery) -> None:
        for line in self.order.values():
            if delivery.id in line:
                assert line[0] == delivery.id, "it was not its turn"

    def _check_limits(self) -> None:
        now = self.clock.ms
        assert sum(start > now - RATE_MS for start in self.starts) <= RATE_N
        running = Counter(_part(job.key, "c") for job in self._records().jobs.values() if job.state == "active")
        for name, own in (("k", 1), ("m", 2)):
            limit = self.said.get(f"c/{name}", {}).get("concurrency") or own
            if limit >= own:  # lowered while more ran, it is kept again when these have ended
                assert running[f"{name}:{own}"] <= max(limit, 5)

    def _is_kept(self, records: raw.Raw, job_id: str, job: raw.Record) -> bool:
        """Is there a rule that keeps this job from running?"""
        actives = [other for other in records.jobs.values() if other.state == "active"]
        held = Counter(name for other in actives for name in other.holds)
        queue_rule = self.said.get(f"q/{job.queue}", {})
        type_rule = self.said.get(f"t/{job.type}", {})
        if "paused" in queue_rule or "paused" in type_rule:
            return True
        if sum(other.queue == job.queue for other in actives) >= queue_rule.get("concurrency", 10**9):
            return True
        if held[f"t/{job.type}"] >= type_rule.get("concurrency", 10**9):
            return True
        if group := _part(job.key, "g"):
            rule_ = self.said.get(f"g/{job.queue}/{group}", {})
            limit = rule_.get("concurrency") or queue_rule.get("group_concurrency", 10**9)
            if "paused" in rule_ or held[f"g/{job.queue}/{group}"] >= limit:
                return True
        if key := _part(job.key, "c"):
            name, own = key.split(":")
            rule_ = self.said.get(f"c/{name}", {})
            if "paused" in rule_ or held[f"c/{name}"] >= (rule_.get("concurrency") or int(own)):
                return True
        if turn := _part(job.key, "o"):
            owner = records.holds.get(f"o/{job.queue}/{turn}")
            if (owner and owner != job_id) or self.order[turn][0] != job_id:
                return True
        if "r=s" in job.key:
            recent = sum(start > self.clock.ms - RATE_MS for start in self.starts)
            # one that counts for several keeps those behind it
            waiting = [other for other in records.jobs.values() if other.state == "waiting" and "r=s" in other.key]
            heaviest = max(_weight(other.key, other.type) for other in waiting)
            # for the heaviest one room is kept, for some seconds also when it has gone meanwhile
            claim = self.outside.hget(self.shard.keys.fixed("rates"), "r/s!")
            if claim and self.clock.ms < int(claim.split()[0]) <= self.clock.ms + LONGEST_CLAIM_MS:
                return True
            return recent + heaviest > RATE_N or self.held_until > self.clock.ms
        return False


def _weight(key: str, job_type: str) -> int:
    """What a job counts against the rate: odd ones count twice."""
    return 2 if "r=s" in key and job_type == "odd" else 1


def _part(key: str, letter: str) -> str | None:
    found = re.search(rf"(?:^|;){letter}=([^;]*)", key)
    return found[1] if found else None


def test_gates_keep_what_they_say_and_let_everything_else_pass(
    session_server: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(GateMachine, session_server, monkeypatch, examples=100, steps=40)


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_gates_keep_what_they_say_at_length(session_server: RealServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(GateMachine, session_server, monkeypatch, examples=150, steps=60)
