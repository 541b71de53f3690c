"""A job has an option in a form that this jobd does not know, as a newer one may write it: that job fails, with a
sentence for people, and nobody else is harmed."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

import jobd
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.levels import Levels
from jobd.domain.state import State
from jobd.roles.reaper import Reaper
from jobd.roles.verdicts import Verdicts
from jobd.store.codec import UNREADABLE
from jobd.store.shard import Shard
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.working import working

FORMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "isolation": ({"isolation": "process"}, {"isolation": {"machine": "small"}}),
    "backoff": ({"backoff": "5s"}, {"backoff": {"kind": "moody"}}),
    "heartbeat_timeout": ({"heartbeat_timeout": "60s"}, {"heartbeat_timeout_ms": "60s"}),
    "timeout": ({"heartbeat_timeout": "60s", "timeout": "90s"}, {"timeout_ms": {"soft": 90}}),
    "keep_completed": ({"keep_completed": 10}, {"keep_completed": {"share": 0.5}}),
    "expires": ({"expires": "1h"}, {"expires": {"moon": "full"}}),
    "tags": ({"tags": ["a"]}, {"tags": 7}),
    "backoff.kind": ({"tags": ["a"]}, {"queue_backoff": {"kind": "moody"}}),
}
"""how a job is enqueued here, and what a newer jobd has written instead, by what is told of it"""
each_form = pytest.mark.parametrize("option", FORMS)


@jobd.job("noop")
async def noop() -> str:
    return "done"


async def enqueue_newer(client: Client, shard: Shard, option: str) -> jobd.JobHandle[Any]:
    """A job with this option in a form that is none here."""
    options, newer = FORMS[option]
    handle = await client.enqueue(noop, {}, **options)
    jobs = shard.keys.fixed("jobs")
    spec = await shard.link.command("HGET", jobs, handle.id)
    size, ends = int.from_bytes(spec[18:22]), len(spec) - len(b"{}")
    packed = orjson.dumps(orjson.loads(spec[ends - size : ends]) | newer)
    spec = spec[:18] + len(packed).to_bytes(4) + spec[22 : ends - size] + packed + b"{}"
    await shard.link.command("HSET", jobs, handle.id, spec)
    return handle


@each_form
async def test_it_fails_with_a_sentence_for_people_and_all_others_run(parts: Parts, option: str) -> None:
    client = Client(store=parts.store, catalog=Catalog([noop]))
    before = await client.enqueue(noop, {})
    newer = await enqueue_newer(client, parts.shard, option)
    after = await client.enqueue(noop, {})
    async with working(parts, noop) as client:
        assert [await client.result(handle.id, PATIENCE_S) for handle in (before, after)] == ["done"] * 2
        job = await client.wait(newer.id, PATIENCE_S)
        assert (job.status, job.attempt, job.type) == (State.FAILED, 1, "noop")
        assert (job.error or {})["type"] == "UnreadableJob"
        message = (job.error or {})["message"]
        assert message.startswith(f"this worker cannot read an option of the job: {option}")
        assert "update the workers and retry the job" in message
        assert await (await client.enqueue(noop, {})).result(PATIENCE_S) == "done"


@pytest.mark.parametrize("option", sorted(FORMS.keys() - {"isolation"}))  # whose process knows another noop
async def test_a_retry_by_hand_runs_it_once_a_worker_can_read_it(parts: Parts, option: str) -> None:
    client = Client(store=parts.store, catalog=Catalog([noop]))
    newer = await enqueue_newer(client, parts.shard, option)
    readable = await client.enqueue(noop, {}, **FORMS[option][0])
    jobs = parts.shard.keys.fixed("jobs")
    spec = await parts.shard.link.command("HGET", jobs, readable.id)
    async with working(parts, noop) as client:
        assert (await client.wait(newer.id, PATIENCE_S)).status is State.FAILED
        await client.retry(newer.id)  # too early: no worker is newer
        assert (await client.wait(newer.id, PATIENCE_S)).status is State.FAILED
        await parts.shard.link.command("HSET", jobs, newer.id, spec)  # as a worker that is newer reads it
        await client.retry(newer.id)
        assert await client.result(newer.id, PATIENCE_S) == "done"
        job = await client.get(newer.id)
        assert [str(attempt.outcome) for attempt in job.attempts] == ["raised", "raised", "returned"]


@each_form
async def test_a_monitor_that_takes_it_over_goes_on_with_the_others(parts: Parts, option: str) -> None:
    client = Client(store=parts.store, catalog=Catalog([noop]))
    newer = await enqueue_newer(client, parts.shard, option)
    other = await client.enqueue(noop, {})
    shard = parts.shard
    await shard.join("w1", lease_ms=60_000, lines=["*"], about=b'{"kind":"worker"}')
    _, deliveries = await shard.turn("w1", [], sequence=1, want=2, types=",noop,")
    assert [item.type for item in deliveries] == [UNREADABLE, "noop"]
    await shard.leave("w1", "killed by SIGKILL")
    reaper = Reaper(parts.membership("monitor", ["@monitor"]), Verdicts(Catalog([noop]), Levels()), report=parts.report)
    await reaper._membership.join()
    assert await reaper.settle_lost() == 2
    assert [(await client.get(handle.id)).status for handle in (newer, other)] == [State.WAITING] * 2
    await reaper._membership.leave()
