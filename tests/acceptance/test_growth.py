"""A store gets more shards while jobs come and run, and while those who let it grow are killed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from pathlib import Path

from jobd_testbed import Entry, write
from jobd_testbed.journal import read

import jobd
from jobd.store.homes import shard_of
from tests.acceptance.conftest import StartFleet
from tests.acceptance.fleet import Shape, first
from tests.acceptance.program import PATIENCE_S, plain_environment
from tests.acceptance.until import until

DIES_WHILE_IT_GROWS = """
import asyncio, os, signal, sys
from jobd.store.link import Link
from jobd.store.store import Store

steps, run = [int(sys.argv[2])], Link.run

async def run_and_die(link, *words, **more):
    if not steps[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    steps[0] -= 1
    return await run(link, *words, **more)

Link.run = run_and_die
asyncio.run(Store.at(sys.argv[1]).grow(4))
"""


@first(Shape.WORKER_CHILD, Shape.ONE_PROCESS)
async def test_each_job_runs_once_while_the_store_grows_and_those_who_let_it_are_killed(
    start_fleet: StartFleet, journal: Path
) -> None:
    accepted: list[str] = []
    handles = []
    with start_fleet("--concurrency", "10") as fleet:
        async with jobd.Client(fleet.url) as client, jobd.Client(fleet.url) as knows_of_one:
            await knows_of_one.queues()
            clients, going_on = [client, knows_of_one], True

            async def produce() -> None:
                while going_on:
                    number = len(accepted)
                    entry = Entry(journal=journal, key=str(number), seconds=0.001)
                    # queues that are there before it grows, and such as come while it does
                    queue = f"old-{number % 4}" if number % 2 else f"queue-{number // 8 % 100}"
                    delay = 0.05 if number % 5 == 0 else None
                    accepted.append(entry.key)
                    handles.append(await clients[number % 2].enqueue(write, entry, queue=queue, delay=delay))
                    await asyncio.sleep(0.01)  # some hundred jobs in all

            producing = asyncio.create_task(produce())
            await until(lambda: len(handles) >= 20)
            for steps in (1, 2, 4):
                words = [sys.executable, "-c", DIES_WHILE_IT_GROWS, fleet.url, str(steps)]
                await asyncio.to_thread(subprocess.run, words, env=plain_environment(), timeout=PATIENCE_S)
            await client.grow(4)
            going_on = False
            await producing
            # the last ones are in shards that were not there when the worker started
            fresh = [f"fresh-{number}" for number in range(8)]
            assert {shard_of(queue, 4) for queue in fresh} == {0, 1, 2, 3}
            for queue in fresh:
                entry = Entry(journal=journal, key=queue, seconds=0.001)
                accepted.append(queue)
                handles.append(await knows_of_one.enqueue(write, entry, queue=queue))
            async with asyncio.timeout(PATIENCE_S):
                for handle in handles:
                    assert await handle.result() == 1
            assert [facts.workers for facts in await client.shards()] == [1] * 4
            # one that is started with the settings of before serves all of them too
            fleet.another_worker()

            async def serve_all() -> bool:
                return [facts.workers for facts in await client.shards()] == [2] * 4

            await until(serve_all)
    assert Counter(line.key for line in read(journal) if line.what == "start") == Counter(accepted)
