"""A real store beside its model, which agree after each of the random moves."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop
from hypothesis.stateful import RuleBasedStateMachine, invariant

from jobd.store import keys as documented
from jobd.store.retention import Retention
from jobd.store.shard import Shard
from jobd.store.store import Store
from tests.real_server import RealServer
from tests.store import model, raw
from tests.store.hands import Clock
from tests.store.limits_model import NEVER, Waited, moments
from tests.store.machine_links import RecordingLink
from tests.store.model import Order
from tests.store.store_model import Model

T = TypeVar("T")


class StoreBesideModel(RuleBasedStateMachine):
    """A store and a model of it, in one hand."""

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
