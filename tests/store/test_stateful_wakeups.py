"""Nobody polls in these tests, and nobody sleeps while there is work: any commands in any order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
import uvloop
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from jobd.domain.delivery import Delivery
from jobd.store.shard import Retention, Settlement
from jobd.store.store import Store
from tests.real_server import RealServer
from tests.store import model, raw
from tests.store.hands import Clock, new_job
from tests.store.holding import hold, sealed, verdicts
from tests.store.model import Order

T = TypeVar("T")

SLOTS = 3
KNOW = {"w1": ("noop",), "w2": ("noop", "odd"), "w3": ("odd",), "w4": ("noop",)}
SERVE = {"w1": ("*",), "w2": ("*",), "w3": ("a", "b"), "w4": ("b", "c")}


class WakeMachine(RuleBasedStateMachine):
    """Workers that fetch when they are woken or have just finished something, and never else.

    When all words are heard, nobody may be idle while a job waits that they could do.
    """

    server: RealServer

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.outside = self.server.client()
        self.outside.flushall()
        self.store = Store.at(self.server.url, retention=Retention(completed=1, failed=1, least=0))
        self.shard = self.store.shards[0]
        self.clock = Clock(self.shard)
        self.sequences = dict.fromkeys(KNOW, 0)
        self.holds: dict[str, list[Delivery]] = {name: [] for name in KNOW}
        self.next_due: int | None = None
        for name, lines in SERVE.items():
            self.run(self.shard.join(name, lease_ms=10**9, lines=lines, about=b"{}"))
            self.turn(name, [])
        self.run(self.shard.join("s1", lease_ms=10**9, lines=["@scheduler"], about=b"{}"))
        self.look_for_what_is_due()

    def teardown(self) -> None:
        self.everybody_listens()
        left = raw.read(self.outside, self.shard.keys.base)
        for name, held in self.holds.items():
            if len(held) < SLOTS:
                for job_id, job in left.jobs.items():
                    could = job.type in KNOW[name] and not job.suspect
                    could = could and ("*" in SERVE[name] or job.queue in SERVE[name])
                    assert not (could and job.state == "waiting"), f"{name} sleeps and {job_id} waits"
        assert not [job for job in left.jobs.values() if job.state == "delayed" and job.due <= self.clock.ms]
        self.runner.run(self.store.close())
        self.runner.close()
        self.outside.close()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    def turn(self, name: str, settlements: list[Settlement]) -> None:
        """As the engine of a worker does: settle, and ask for as much as there is room for."""
        self.sequences[name] += 1
        want = SLOTS - len(self.holds[name])
        types = f",{','.join(KNOW[name])},"
        call = self.shard.turn(name, settlements, sequence=self.sequences[name], want=want, types=types)
        self.holds[name] += self.run(call)[1]

    def words(self, name: str) -> bool:
        """Did it find words? They are gone then."""
        key = self.shard.keys.inbox(name)
        found = bool(self.outside.llen(key))
        self.outside.delete(key)
        return found

    def look_for_what_is_due(self) -> None:
        _, next_in_ms = self.run(self.shard.promote("s1"))
        self.next_due = None if next_in_ms is None else self.clock.ms + next_in_ms

    def everybody_listens(self) -> None:
        heard = True
        while heard:
            heard = False
            for name in KNOW:
                if self.words(name):
                    self.turn(name, [])
                    heard = True
            if self.words("s1") or (self.next_due is not None and self.next_due <= self.clock.ms):
                self.look_for_what_is_due()
                heard = True

    @rule(wanted=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["noop", "odd"]), st.sampled_from([1, 5]))))
    def enqueue(self, wanted: list[tuple[str, str, int]]) -> None:
        jobs = [new_job(queue=queue, type=type_, priority=priority) for queue, type_, priority in wanted]
        self.run(self.store.enqueue(jobs))

    @rule(delay=st.sampled_from(["+10", "+900"]), type_=st.sampled_from(["noop", "odd"]))
    def enqueue_for_later(self, delay: str, type_: str) -> None:
        self.run(self.store.enqueue([new_job(queue="b", type=type_, due=delay)]))

    @rule(name=st.sampled_from(sorted(KNOW)))
    def listen(self, name: str) -> None:
        if self.words(name):
            self.turn(name, [])

    @rule(name=st.sampled_from(sorted(KNOW)), verdict=verdicts, child=st.sampled_from(["", "noop", "odd"]))
    def finish(self, name: str, verdict: model.Verdict, child: str) -> None:
        if self.holds[name]:
            delivery = self.holds[name].pop(0)
            children = (Order(new_job().id, queue="c", type=child),) if child else ()
            self.turn(name, [sealed(model.Settlement(delivery.id, delivery.fence, verdict, b"", children))])

    @rule(ms=st.sampled_from([1, 20, 1_000]))
    def time_passes(self, ms: int) -> None:
        self.clock.forward(ms)

    @rule()
    def all_listen(self) -> None:
        self.everybody_listens()


def test_nobody_sleeps_while_there_is_work(session_server: RealServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(WakeMachine, session_server, monkeypatch, examples=60, steps=40)


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_nobody_sleeps_while_there_is_work_at_length(
    session_server: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(WakeMachine, session_server, monkeypatch, examples=150, steps=80)
