"""The benchmark behind `scripts/bench`: jobd as users start it, on a server of its own, verified after each run."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import uvloop
from jobd_testbed import Note, noop

import jobd
from jobd.domain.state import State
from jobd.store.server_binary import find_server_binary

TEXT = "x" * 79
"""makes a payload of 100 bytes of JSON"""
WARM_UP = 2_000
PROBES = 200


@dataclass(frozen=True)
class Figures:
    """What one round measured."""

    enqueue_bulk_per_s: float
    enqueue_one_by_one_per_s: float
    enqueue_100_in_flight_per_s: float
    drain_per_s: float
    redis_us_enqueue: float
    redis_us_run: float
    redis_us_per_job: float
    bytes_per_waiting_job: float
    start_p50_ms: float
    start_p99_ms: float
    idle_commands_per_s: float


@contextmanager
def server(fsync: str, folder: Path) -> Iterator[str]:
    """A server on a unix socket; `fsync` is off (no file), everysec or always."""
    socket = folder / "bench.sock"
    lines = ["port 0", f"unixsocket {socket}", f"dir {folder}", 'save ""']
    lines += ["appendonly no"] if fsync == "off" else ["appendonly yes", f"appendfsync {fsync}"]
    process = subprocess.Popen(
        [find_server_binary().path, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
    )
    assert process.stdin is not None
    process.stdin.write("\n".join(lines).encode())
    process.stdin.close()
    try:
        while not socket.exists():
            if process.poll() is not None:
                raise RuntimeError("the server did not start")
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.wait()


@asynccontextmanager
async def worker(url: str, processes: int, concurrency: int) -> AsyncIterator[None]:
    """`jobd run --role worker` as users start it, ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "jobd",
        "run",
        *("--role", "worker", "--role", "monitor", "--role", "scheduler", "--processes", str(processes)),
        *("--redis-url", url, "--concurrency", str(concurrency)),
        stdout=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("JOBD_")},
    )
    assert process.stdout is not None
    try:
        while b"is up" not in (line := await process.stdout.readline()):
            if not line:
                raise RuntimeError("jobd did not start")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def redis_cpu_us(client: jobd.Client) -> float:
    """CPU that the server has used so far, in microseconds."""
    info = await client.store.shards[0].link.redis.info("cpu")
    return 1e6 * float(info["used_cpu_user"] + info["used_cpu_sys"])


async def redis_stat(client: jobd.Client, section: str, name: str) -> float:
    info = await client.store.shards[0].link.redis.info(section)
    return float(info[name])


async def wait_begun(client: jobd.Client) -> float:
    """When the first job was fetched, by this process's clock."""
    while not await left(client, "a", "c"):
        await asyncio.sleep(0.001)
    return perf_counter()


async def wait_ended(client: jobd.Client) -> None:
    """Returns when no job waits or runs."""
    while await left(client, "w", "a"):
        await asyncio.sleep(0.001)


async def left(client: jobd.Client, *letters: str) -> int:
    """How many jobs are in the states of these letters; one cheap command."""
    shard = client.store.shards[0]
    fields = [f"{letter}:default" for letter in letters]
    return sum(int(value or 0) for value in await shard.link.command("HMGET", shard.keys.fixed("counts"), *fields))


async def round_(url: str, jobs: int, processes: int, concurrency: int) -> Figures:
    """One round on an empty server."""
    async with jobd.Client(url) as client:
        link = client.store.shards[0].link
        await link.redis.flushall()
        await client.enqueue_many(noop, [Note(text=TEXT)] * WARM_UP)
        memory = await redis_stat(client, "memory", "used_memory")
        cpu = await redis_cpu_us(client)
        notes = [Note(text=TEXT) for _ in range(jobs)]
        started = perf_counter()
        for at in range(0, jobs, 10_000):
            await client.enqueue_many(noop, notes[at : at + 10_000])
        bulk = jobs / (perf_counter() - started)
        cpu_enqueue = (await redis_cpu_us(client) - cpu) / jobs
        bytes_each = (await redis_stat(client, "memory", "used_memory") - memory) / jobs

        started = perf_counter()
        for _ in range(2_000):
            await client.enqueue(noop, Note(text=TEXT))
        single = 2_000 / (perf_counter() - started)

        async def producer() -> None:
            for _ in range(100):
                await client.enqueue(noop, Note(text=TEXT))

        started = perf_counter()
        await asyncio.gather(*(producer() for _ in range(100)))
        flight = 10_000 / (perf_counter() - started)

        total = jobs + WARM_UP + 2_000 + 10_000
        queued = (await client.queues())["default"][State.WAITING]
        if queued != total:
            raise RuntimeError(f"{total} jobs were enqueued and {queued} wait")

        cpu = await redis_cpu_us(client)
        begins = asyncio.create_task(wait_begun(client))
        async with worker(url, processes, concurrency):
            begun = await begins
            await wait_ended(client)
            drain = total / (perf_counter() - begun)
            cpu_run = (await redis_cpu_us(client) - cpu) / total
            await verify(client)
            delays = await start_delays(client)
            idle = await idle_commands(client)
        return Figures(
            enqueue_bulk_per_s=bulk,
            enqueue_one_by_one_per_s=single,
            enqueue_100_in_flight_per_s=flight,
            drain_per_s=drain,
            redis_us_enqueue=cpu_enqueue,
            redis_us_run=cpu_run,
            redis_us_per_job=cpu_enqueue + cpu_run,
            bytes_per_waiting_job=bytes_each,
            start_p50_ms=statistics.median(delays),
            start_p99_ms=sorted(delays)[int(len(delays) * 0.99)],
            idle_commands_per_s=idle,
        )


async def verify(client: jobd.Client) -> None:
    """Every job that is kept has ended well, in one attempt; nothing else is left."""
    counts = (await client.queues())["default"]
    left = {state: count for state, count in counts.items() if count and state is not State.COMPLETED}
    if left:
        raise RuntimeError(f"after the run there are {left}")
    page = await client.list(status="completed", limit=200)
    for job in page.jobs:
        if job.attempt != 1 or job.deliveries != 1 or job.data != {"text": TEXT, "count": 1}:
            raise RuntimeError(f"this job did not run as it should have: {job}")


async def start_delays(client: jobd.Client) -> list[float]:
    """Milliseconds from the call of enqueue to the start of the handler, by the clock of this machine."""
    delays = []
    for _ in range(PROBES):
        await asyncio.sleep(0.02)
        called = perf_counter()
        handle = await client.enqueue("clock", {})
        began = await handle.result(timeout=10)
        delays.append(1e3 * (began - called))
    return delays


async def idle_commands(client: jobd.Client) -> float:
    """Commands a second that the server gets while nothing is to be done (the monitor's and scheduler's included)."""
    await asyncio.sleep(1)
    before = await redis_stat(client, "stats", "total_commands_processed")
    await asyncio.sleep(10)
    return (await redis_stat(client, "stats", "total_commands_processed") - before - 1) / 10


def main() -> None:
    """Runs the rounds and prints a table of medians."""
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--fsync", choices=["off", "everysec", "always"], default="off")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rounds = []
    for _ in range(given.repeat):
        with tempfile.TemporaryDirectory(prefix="jobd-bench-") as folder, server(given.fsync, Path(folder)) as url:
            rounds.append(uvloop.run(round_(url, given.jobs, given.processes, given.concurrency)))
    medians = {name: statistics.median(getattr(figures, name) for figures in rounds) for name in asdict(rounds[0])}
    print(f"jobd {jobd.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, fsync {given.fsync}, ")
    print(f"{given.jobs} no-op jobs of 100 bytes, {given.processes} worker process(es), median of {given.repeat}\n")
    print("| figure | median |\n|---|---|")
    for name, value in medians.items():
        print(f"| {name} | {value:,.2f} |" if value < 1_000 else f"| {name} | {value:,.0f} |")
    if given.json:
        given.json.write_text(json.dumps({"medians": medians, "rounds": [asdict(figures) for figures in rounds]}))


if __name__ == "__main__":
    main()
