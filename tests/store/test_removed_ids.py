"""Ids of jobs that were removed: what they are remembered for, and for how long."""

from __future__ import annotations

import pytest

from jobd.domain.state import State
from jobd.store.shard import Shard
from tests.store.hands import Clock, Hands, LossyLink, new_job

pytestmark = pytest.mark.usefixtures("watched_worker")


@pytest.mark.parametrize("minute", [0, 1, 2])
async def test_a_repeat_makes_nothing_again_of_an_id_that_was_removed_twice(
    hands: Hands, shard: Shard, clock: Clock, minute: int
) -> None:
    """Whichever of the removals stands first where they are remembered, the last one counts."""

    async def remove() -> None:
        assert await shard.delete(["a"], [State.WAITING]) == ["gone"]

    clock.forward(minute * 60_000)
    await hands.put(new_job("a"))
    await remove()
    clock.forward(60_000)
    plain = shard.link
    shard.link = lossy = LossyLink(plain)
    lossy.losing = 1

    async def removed_meanwhile() -> None:
        shard.link = plain
        await remove()

    lossy.before_repeat = removed_meanwhile
    await hands.put(new_job("a"))
    assert await hands.states("a") == [None]


async def test_a_removed_id_is_forgotten_after_three_minutes_at_most(hands: Hands, shard: Shard, clock: Clock) -> None:
    await hands.put(new_job("a"))
    await shard.delete(["a"], [State.WAITING])
    left_ms = int(await shard.link.command("PTTL", f"{shard.keys.base}gone:{clock.ms // 60_000 % 3}"))
    assert 60_000 < left_ms <= 180_000


@pytest.mark.damages
async def test_a_job_whose_records_are_lost_keeps_no_other_one_from_being_removed_by_its_age(
    hands: Hands, shard: Shard
) -> None:
    await hands.put(new_job("a"), new_job("b"))
    await shard.cancel(["a", "b"], {})
    for key in ("jobs", "runs"):
        await shard.link.command("HDEL", shard.keys.fixed(key), "a")
    assert await shard.prune("default", State.CANCELLED, 0) == 2
    assert await hands.states("b") == [None]
