"""The random moves of people: they cancel, change, move, retry and delete jobs."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import rule

from jobd.domain.state import State
from jobd.store.edits import Change, Move
from tests.store import raw
from tests.store.holding import packed
from tests.store.machine_words import (
    IDS,
    some_ids,
)
from tests.store.model import Order
from tests.store.store_machine import StoreBesideModel, waited


class PeopleMachine(StoreBesideModel):
    """People do what they like with a store, and a model of it."""

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
