"""Somebody else can write to the store, and writes nonsense: no code runs that is no job type, no worker goes down, and
what is sound still runs."""

from __future__ import annotations

import random

import pytest

import jobd
from jobd.client import Client
from jobd.domain.state import State
from tests.roles.parts import PATIENCE_S, Parts
from tests.roles.working import working

MANY = 150


def damaged(raw: bytes, dice: random.Random) -> bytes:
    """The record after a change of the kind that damage and attackers make."""
    at = dice.randrange(len(raw))
    match dice.randrange(5):
        case 0:
            return raw[:at]
        case 1:
            return raw[:at] + bytes([raw[at] ^ 1 << dice.randrange(8)]) + raw[at + 1 :]
        case 2:
            return raw[:at] + dice.randbytes(8) + raw[at + 8 :]
        case 3:
            return dice.randbytes(dice.randrange(60))
        case _:
            return raw + dice.randbytes(20)


@pytest.mark.threat("S23")
@pytest.mark.parametrize("seed", range(3))
async def test_damaged_records_harm_nobody_else(parts: Parts, seed: int) -> None:
    dice = random.Random(seed)
    ran: list[str] = []

    @jobd.job("noop", timeout="1m")
    async def noop(ctx: jobd.Context) -> None:
        ran.append(ctx.job.type)

    client = Client(store=parts.store, catalog=jobd.catalog.Catalog([noop]))
    shard = parts.store.shards[0]
    await client.enqueue_many(noop, [{}] * MANY)
    specs = await shard.link.command("HGETALL", shard.keys.fixed("jobs"))
    for job_id, spec in specs.items():
        await shard.link.command("HSET", shard.keys.fixed("jobs"), job_id, damaged(spec, dice))
    sound = await client.enqueue(noop, {})
    async with working(parts, noop, concurrency=20) as client:
        await (await client.enqueue(noop, {}, queue="other")).result(PATIENCE_S)
        assert (await client.wait(sound.id, PATIENCE_S)).status is State.COMPLETED
    assert set(ran) == {"noop"}
