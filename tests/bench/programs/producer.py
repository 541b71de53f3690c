"""The command line of every producer: enqueues jobs in one of four ways, says how long that took, and stays connected
until its standard input ends.

    python arq_jobs.py WAY --first N --count N [--warm N]      one | flight | bulk | paced

Needs nothing but the standard library, as it runs in the environment of every contender.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from tally import mine

TEXT = "x" * 73
"""makes a payload of 100 bytes of JSON"""
IN_FLIGHT = 100
THREADS = 16
"""of clients that block: more of them are slower"""
PACE_S = 0.02


def load(number: int) -> dict[str, Any]:
    """The payload of a job."""
    return {"number": number, "text": TEXT}


class Numbers:
    """The numbers that one run enqueues; the first ones, which warm the client up, are not timed."""

    def __init__(self, first: int, count: int, warm: int) -> None:
        self.warm = range(first, first + warm)
        self.timed = range(first + warm, first + count)


def chunks(numbers: range, size: int) -> Iterator[list[dict[str, Any]]]:
    """The payloads in lists of `size`."""
    for at in range(0, len(numbers), size):
        yield [load(number) for number in numbers[at : at + size]]


def main(contender: Any) -> None:
    """Runs what the command line asks for. A contender has `one(payload)`, and where its library has a way to enqueue
    many at once, `many(payloads)` and `CHUNK`, how many it takes best; all of them may be async. `close()` is last."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=["one", "flight", "bulk", "paced"])
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--warm", type=int, default=0)
    given = parser.parse_args()
    numbers = Numbers(given.first, given.count, given.warm)
    if inspect.iscoroutinefunction(contender.one):
        asyncio.run(_async(contender, given.way, numbers))
    else:
        _sync(contender, given.way, numbers)


def _say(way: str, numbers: Numbers, started: float) -> None:
    seconds = time.perf_counter() - started
    print(json.dumps({"way": way, "count": len(numbers.timed), "seconds": seconds}), flush=True)


async def _async(contender: Any, way: str, numbers: Numbers) -> None:
    if hasattr(contender, "open"):
        await contender.open()
    enqueue = {"one": _one, "flight": _flight, "bulk": _bulk, "paced": _paced}[way]
    await (_one if way == "paced" else enqueue)(contender, numbers.warm)
    started = time.perf_counter()
    await enqueue(contender, numbers.timed)
    _say(way, numbers, started)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await contender.close()


async def _one(contender: Any, numbers: Iterable[int]) -> None:
    for number in numbers:
        await contender.one(load(number))


async def _flight(contender: Any, numbers: range) -> None:
    left = iter(numbers)
    await asyncio.gather(*(_one(contender, left) for _ in range(IN_FLIGHT)))


async def _bulk(contender: Any, numbers: range) -> None:
    for payloads in chunks(numbers, contender.CHUNK):
        await contender.many(payloads)


async def _paced(contender: Any, numbers: range) -> None:
    for number in numbers:
        await asyncio.sleep(PACE_S)
        mine().called(number)
        await contender.one(load(number))


# --- the same for clients that block -----------------------------------------------------------------------------


def _sync(contender: Any, way: str, numbers: Numbers) -> None:
    enqueue = {"one": _one_sync, "flight": _flight_sync, "bulk": _bulk_sync, "paced": _paced_sync}[way]
    (_one_sync if way == "paced" else enqueue)(contender, numbers.warm)
    started = time.perf_counter()
    enqueue(contender, numbers.timed)
    _say(way, numbers, started)
    sys.stdin.read()
    contender.close()


def _one_sync(contender: Any, numbers: range) -> None:
    for number in numbers:
        contender.one(load(number))


def _flight_sync(contender: Any, numbers: range) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(partial(_one_sync, contender), [numbers[at::THREADS] for at in range(THREADS)]))


def _bulk_sync(contender: Any, numbers: range) -> None:
    for payloads in chunks(numbers, contender.CHUNK):
        contender.many(payloads)


def _paced_sync(contender: Any, numbers: range) -> None:
    for number in numbers:
        time.sleep(PACE_S)
        mine().called(number)
        contender.one(load(number))
