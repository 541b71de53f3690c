"""Whether jobs run as fast when many more wait, or when very many are delayed."""

from __future__ import annotations

import statistics
import time

from tests.bench.contender import Contender
from tests.bench.held import longest_held_ms
from tests.bench.parts.part import Bench, Figures, Part, Row, only_jobd
from tests.bench.stage import Stage
from tests.bench.verify import verify

SMALL = 10_000
TIMES = 3
"""the small one is soon run, and its median is calmer than one figure"""
LARGE, LARGE_IN_SHORT = 1_000_000, 100_000
SOON_S = 2.0
TELLING = "function|load"
"""done once for a release, by the first program of it that connects, whatever is there: not a matter of many jobs"""


def _large(bench: Bench) -> int:
    return LARGE if bench.full else LARGE_IN_SHORT


def _backlog(bench: Bench, contender: Contender) -> Figures:
    small = statistics.median(_rates(bench, contender, SMALL)[0] for _ in range(TIMES))
    large, whole = _rates(bench, contender, _large(bench))
    return {"backlog_small": small, "backlog_large": large, "backlog_share": large / small, "backlog_whole": whole}


def _rates(bench: Bench, contender: Contender, jobs: int) -> tuple[float, float]:
    """Jobs a second, of the first ones and of all."""
    with bench.stage(contender, jobs) as stage:
        stage.fill(jobs)
        with stage.worker() as worker:
            stage.wait(worker, jobs)
            verify(stage, worker, range(jobs))
        return stage.rate(SMALL), stage.rate(jobs)


def _delayed(bench: Bench, contender: Contender) -> Figures:
    jobs = _large(bench)
    due = jobs // 20
    held = longest_held_ms()
    with bench.stage(contender, due + jobs) as stage:
        stage.redis.config_set("latency-tracking-info-percentiles", "100")
        stage.fill(jobs, first=due, environment={"BENCH_FEATURE": "spread"})
        stage.fill(due, environment={"BENCH_FEATURE": "delays", "BENCH_DUE": str(time.time() + SOON_S)})
        with stage.worker() as worker:
            stage.wait(worker, due)
            slowest = slowest_ms(stage)
            told = slowest.pop(TELLING)
            verify(stage, worker, range(due), delayed=jobs)
        rate = stage.rate(due)
    held = max(held, longest_held_ms())
    return {
        "delayed_due": rate,
        "delayed_slowest": max(slowest.values()),
        "delayed_told": told,
        "delayed_held": held,
    }


def slowest_ms(stage: Stage) -> dict[str, float]:
    """How long the slowest of each kind of command of clients has taken so far, in milliseconds."""
    ours = {"info", "config|set", "config|get"}
    found = {
        name.removeprefix("latency_percentiles_usec_"): float(facts["p100"]) / 1e3
        for name, facts in stage.redis.info("latencystats").items()
    }
    return {name: ms for name, ms in found.items() if name not in ours}


BACKLOG = Part(
    "backlog",
    "the first 10 000 jobs of 10 000, and of 100 000 (1 000 000 with --full)",
    (
        Row("backlog_small", "first 10 000 of 10 000 waiting", "jobs/s"),
        Row("backlog_large", "first 10 000 of a large backlog", "jobs/s"),
        Row("backlog_share", "… as a share", "×"),
        Row("backlog_whole", "the whole large backlog", "jobs/s"),
    ),
    only_jobd,
    _backlog,
)
DELAYED = Part(
    "delayed",
    "100 000 jobs (1 000 000 with --full) are delayed for an hour, a twentieth more is due at one moment",
    (
        Row("delayed_due", "jobs due at one moment, beside many delayed", "jobs/s"),
        Row("delayed_slowest", "slowest command of the server, enqueuing them included", "ms", more_is_better=False),
        Row("delayed_told", "being told the scripts, which it is once a release", "ms", more_is_better=False),
        Row(
            "delayed_held",
            "a program that only looks at the clock, held up by the idle machine",
            "ms",
            more_is_better=False,
        ),
    ),
    only_jobd,
    _delayed,
)
