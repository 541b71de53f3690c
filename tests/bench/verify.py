"""Did every job of a run of jobd end as it should have? What the handlers noted is compared with what jobd says."""

from __future__ import annotations

import time

import jobd
from jobd.domain.state import State
from jobd.settings import RetentionSettings
from tests.bench.process import BenchError, Process
from tests.bench.stage import LOOK_S, STALL_LIMIT_S, Stage


def verify(stage: Stage, worker: Process, numbers: range, *, attempts: int = 1, delayed: int = 0) -> None:
    """Waits until nothing is left to do but what is `delayed`. Then, whoever the contender is: each job ran as often as
    it had to, and no more. For jobd also: all have been completed, and each one that is kept has the attempts and the
    result it must have. Raises BenchError."""
    if stage.contender.kind == "jobd":
        with jobd.SyncClient(stage.server.url) as client:
            _wait_settled(client, worker, delayed)
            _check_kept(client, numbers, attempts)
    runs = stage.tally.runs()[numbers.start : numbers.stop]
    wrong = [(numbers[at], times) for at, times in enumerate(runs) if times != attempts]
    if wrong:
        raise BenchError(f"{stage.contender.title}: these jobs did not run {attempts} time(s): {wrong[:10]}")


def _wait_settled(client: jobd.SyncClient, worker: Process, delayed: int) -> None:
    wanted = {State.DELAYED: delayed} if delayed else {}
    end = time.monotonic() + STALL_LIMIT_S
    while True:
        counts = client.queues()["default"].counts
        left = {state: count for state, count in counts.items() if count and state is not State.COMPLETED}
        if left == wanted:
            return
        if time.monotonic() > end:
            raise BenchError(f"after the run there are {left}{worker.last_words()}")
        time.sleep(LOOK_S)


def _check_kept(client: jobd.SyncClient, numbers: range, attempts: int) -> None:
    seen: set[int] = set()
    cursor = None
    while True:
        page = client.list(status="completed", limit=200, cursor=cursor)
        for job in page.jobs:
            number = job.data["number"]
            if job.attempt != attempts or job.deliveries != attempts or job.result != number:
                raise BenchError(f"this job did not run as it should have: {job}")
            seen.add(number)
        cursor = page.cursor
        if cursor is None:
            break
    if not seen <= set(numbers) or len(seen) < min(len(numbers), RetentionSettings().completed):
        raise BenchError(f"{len(seen)} completed jobs are kept, of {len(numbers)}")
