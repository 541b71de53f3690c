"""What a member of the store says of itself, hears and leaves behind."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from structlog.testing import capture_logs

from jobd.domain.keep import Keep
from jobd.errors import StoreUnavailable
from jobd.roles import operator
from jobd.roles.membership import Membership
from jobd.roles.pruner import Pruner
from jobd.store.retention import Retention
from tests.roles.parts import Parts
from tests.roles.until import until
from tests.store.hands import Clock, Hands, new_job


async def test_under_a_new_id_it_hears_what_is_said_to_that(parts: Parts) -> None:
    membership = parts.membership()
    await membership.join()
    hearing = asyncio.create_task(membership.listen(lambda word: None))
    await until(lambda: membership.inbox is not None)
    former = membership.inbox
    await membership.join()
    await until(lambda: membership.inbox not in (None, former))
    hearing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hearing


@pytest.mark.parametrize("held", [0, 1])
async def test_who_leaves_is_renewed_for_no_more_and_says_how_many_jobs_are_left_behind(
    parts: Parts, held: int
) -> None:
    membership, hands = parts.membership(), Hands(parts.shard, Clock(parts.shard))
    member = await membership.join()
    if held:
        await hands.active(new_job("a"), member=member)
    with capture_logs() as said:
        await membership.leave()
    assert [line["jobs"] for line in said] == [1] * held
    assert parts.keeper._members == {}


async def test_one_whose_parent_renews_its_lease_needs_no_keeper(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    membership = Membership(parts.store, 0, kind="worker", lines=["*"], lease_ms=60_000, about={"queues": ["a"]})
    await membership.join()
    assert orjson.loads(membership._facts())["queues"] == ["a"]

    async def fail(*_: object, **__: object) -> int:
        raise StoreUnavailable("away")

    monkeypatch.setattr(parts.shard, "leave", fail)
    with capture_logs() as said:
        await membership.leave()
    assert [line["error"] for line in said] == ["away"]


async def test_an_operator_looks_again_at_once_as_long_as_there_is_something_to_do(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[bool] = [True, False]
    looks: list[object] = []

    async def carry_on(name: str, *, seconds: float) -> bool:
        return answers.pop(0)

    monkeypatch.setattr(parts.client, "carry_on", carry_on)
    acting = operator.Operator(parts.client, report=parts.report)
    monkeypatch.setattr(acting, "tell", looks.append)
    assert [await acting.run_once(), len(looks), await acting.run_once(), len(looks)] == [True, 1, False, 1]


async def test_what_ended_well_is_kept_as_that_is_and_what_did_not_as_the_rest(parts: Parts) -> None:
    parts.shard.retention = Retention(completed=3, completed_ms=5_000, failed=7, failed_ms=9_000)
    await Hands(parts.shard, Clock(parts.shard)).put(new_job("a"))
    kept = await Pruner(parts.store, report=parts.report)._kept(parts.shard)
    well, otherwise = Keep(3, 5_000), Keep(7, 9_000)
    assert kept == {"default:c": well, "default:f": otherwise, "default:x": otherwise}
