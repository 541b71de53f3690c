"""Measures limits on real processes. The exit code is 1 if a promise was not kept."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import jobd
from jobd.domain.job import Job
from tests.flow.measures import pace, passed_by, silences
from tests.flow.stage import Stage
from tests.real_server import bundled

PROCESSES = 5
COUNT, PER_S = 100, 1.0
RATE = f"{COUNT}/{PER_S:g}s"
CROWD = 100_000
FEW = 10
NOISE = 0.03


async def rate(stage: Stage, client: jobd.Client, given: argparse.Namespace) -> bool:
    """A rate over five processes, as a sliding window and as a bucket."""
    good = True
    for text, most in ((RATE, COUNT), (f"{RATE}/10", COUNT + 10)):
        starts = await _starts(client, text, round(COUNT * given.seconds))
        told = pace(starts, COUNT, PER_S)
        kept = told.most <= most and abs(told.deviation) <= NOISE
        good &= kept
        print(
            f"rate    {text:<12} {told.starts:>5} starts, at most {told.most} in any {PER_S:g} s, "
            f"{told.deviation:+.2%} of the rate: {_word(kept)}"
        )
    return good


async def kills(stage: Stage, client: jobd.Client, given: argparse.Namespace) -> bool:
    """The same while a process is killed again and again."""
    dice = random.Random(given.seed)

    async def strike() -> None:
        while True:
            await asyncio.sleep(dice.uniform(0.5, 2.0))
            await asyncio.to_thread(stage.kill_one, dice)

    striking = asyncio.create_task(strike())
    starts = await _starts(client, RATE, round(COUNT * given.seconds))
    striking.cancel()
    told, quiet = pace(starts, COUNT, PER_S), silences(starts, stage.kills)
    kept = told.most <= COUNT and max(quiet) <= PER_S
    print(
        f"kills   {len(stage.kills)} kills -9, seed {given.seed}: at most {told.most} in any {PER_S:g} s, "
        f"{told.deviation:+.2%} of the rate, the longest silence behind a kill {max(quiet):.2f} s: {_word(kept)}"
    )
    return kept


async def fair(stage: Stage, client: jobd.Client, given: argparse.Namespace) -> bool:
    """A few jobs of one tenant behind very many of another."""
    await client.pause("fair")
    for _ in range(CROWD // 1_000):
        await client.enqueue_many("clock", [{}] * 1_000, queue="fair", group="crowd", keep_completed="all")
    await client.resume("fair")
    handles = await client.enqueue_many("clock", [{}] * FEW, queue="fair", group="few", keep_completed="all")
    for handle in handles:
        await handle.result(timeout=60)
    await client.pause("fair")
    ended = await _ended(client, "fair")
    mine = sorted(job.started_at.timestamp() for job in ended if job.options.group == "few" and job.started_at)
    came = min(job.created_at for job in ended if job.options.group == "few").timestamp()
    others = [job.started_at.timestamp() for job in ended if job.options.group == "crowd" and job.started_at]
    passed = passed_by(mine, [start for start in others if start >= came])
    slots = PROCESSES * 10
    # in each round every group that waits has its turn; what the slots hold already cannot be called back
    kept = passed <= 2 * FEW + slots
    print(
        f"fair    {FEW} jobs behind {CROWD:,} of another tenant: {passed} of those started before them or with them, "
        f"with {slots} slots: {_word(kept)}"
    )
    return kept


PARTS: dict[str, Callable[[Stage, jobd.Client, argparse.Namespace], Awaitable[bool]]] = {
    "rate": rate,
    "kills": kills,
    "fair": fair,
}


async def _starts(client: jobd.Client, text: str, jobs: int) -> list[float]:
    """When these many jobs of one rate started, each attempt, by the store's clock."""
    queue = f"rated-{random.randrange(2**32):x}"
    for at in range(0, jobs, 1_000):
        await client.enqueue_many(
            "clock", [{}] * min(1_000, jobs - at), queue=queue, rate=text, rate_key=queue, keep_completed="all"
        )
    while (await client.queues())[queue].unfinished:
        await asyncio.sleep(0.2)
    return sorted(attempt.started_at.timestamp() for job in await _ended(client, queue) for attempt in job.attempts)


async def _ended(client: jobd.Client, queue: str) -> list[Job]:
    jobs: list[Job] = []
    cursor = None
    while True:
        page = await client.list(status="completed", queue=queue, limit=200, cursor=cursor)
        jobs += page.jobs
        cursor = page.cursor
        if cursor is None:
            return jobs


def _word(kept: bool) -> str:
    return "kept" if kept else "NOT KEPT"


async def _run(given: argparse.Namespace) -> bool:
    good = True
    for name in given.parts or PARTS:
        with (
            tempfile.TemporaryDirectory(prefix="jobd-flow-") as folder,
            Stage(Path(folder), bundled(), PROCESSES) as stage,
        ):
            async with jobd.Client(stage.url) as client:
                good &= await PARTS[name](stage, client, given)
    return good


def main() -> None:
    """Does what the command line asks for."""
    parser = argparse.ArgumentParser(prog="scripts/flow", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all, if none is named")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long each rate is measured")
    parser.add_argument("--seed", default="flow", help="of when and whom to kill")
    sys.exit(0 if asyncio.run(_run(parser.parse_args())) else 1)


if __name__ == "__main__":
    main()
