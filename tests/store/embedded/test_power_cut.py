"""What a power cut leaves of the file to which the server appends: it ends somewhere, in the middle of a word maybe."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

from redis import Redis

from jobd.domain.state import State
from jobd.store.datadir import DataDir
from jobd.store.store import Store
from tests.store import raw
from tests.store.embedded.hosts import hosting, written
from tests.store.hands import Clock, Hands, done, new_job, retried

CUTS = 8

States = dict[str, State]


async def lived(data: DataDir) -> list[tuple[int, States]]:
    """Some jobs are taken in, run and end. After each answer: how much had been appended, and what was so."""
    async with hosting(data.path) as host:
        store = Store.at(host.server.url)
        hands = Hands(store.shards[0], Clock(store.shards[0]))
        await hands.join()
        states: States = {}
        told = []

        def note(**new: State) -> None:
            states.update(new)
            told.append((written(data).stat().st_size, dict(states)))

        note()
        for number in range(6):
            names = [f"{letter}{number}" for letter in "abc"]
            await hands.put(*map(new_job, names), new_job(f"d{number}", due="+1000"))
            note(**dict.fromkeys(names, State.WAITING), **{f"d{number}": State.DELAYED})
            first, second, _ = await hands.fetch()
            note(**dict.fromkeys(names, State.ACTIVE))
            children = [new_job(f"e{number}", due="+1000")]
            await hands.settle(done(first, b"1", children), retried(second, 5_000))
            note(**{first.id: State.COMPLETED, second.id: State.DELAYED, f"e{number}": State.DELAYED})
            await store.shards[0].cancel([f"d{number}", names[2]], {})
            note(**{f"d{number}": State.CANCELLED})
        await store.close()
    return told


async def found(data: DataDir, names: list[str]) -> States:
    """What a server makes of the file; all its keys agree, and jobs are taken in and run."""
    async with hosting(data.path) as host:
        store = Store.at(host.server.url)
        shard = store.shards[0]
        hands = Hands(shard, Clock(shard))
        states = await hands.states(*names)
        with Redis.from_url(host.server.url) as outside:
            raw.check(raw.read(outside, shard.keys.base))
        await hands.join("w2")
        await hands.put(new_job("after"))
        assert "after" in [delivery.id for delivery in await hands.fetch("w2", want=100)]
        await store.close()
    return {name: state for name, state in zip(names, states, strict=True) if state is not None}


async def test_wherever_the_file_ends_all_is_there_that_was_told_before_and_no_half_of_what_came_next(
    data: DataDir, tmp_path: Path
) -> None:
    told = await lived(data)
    names = list(told[-1][1])
    first, last = told[0][0], told[-1][0]
    assert written(data).stat().st_size == last
    dice = random.Random(7)
    for cut in (*sorted(dice.sample(range(first, last), CUTS)), last):
        copy = DataDir(tmp_path / f"cut at {cut}")
        shutil.copytree(data.path, copy.path)
        os.truncate(written(copy), cut)
        at = max(number for number, (size, _) in enumerate(told) if size <= cut)
        assert await found(copy, names) in [states for _, states in told[at : at + 2]]
