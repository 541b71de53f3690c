"""What features cost when they are used: each beside the plain rate of the same moment."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.bench.contender import Contender
from tests.bench.parts.part import Bench, Figures, Part, Row, only_jobd
from tests.bench.process import BenchError
from tests.bench.verify import verify

FILL_S = 3.0
"""jobs that are all due at one moment are enqueued before it; more time for more jobs"""
FILL_PER_JOB_S = 1 / 5_000
PATIENCE = 5
"""times as much, when that was too little"""


@dataclass(frozen=True)
class Feature:
    """One row of the table. What `option` means is said in FEATURES of programs/jobd_jobs.py."""

    name: str
    title: str
    option: str = "plain"
    job_type: str = "bench-load"
    attempts: int = 1


PLAIN = Feature("plain", "none")
FEATURES = (
    Feature("priorities", "ten priorities", option="priorities"),
    Feature("delays", "delays, all due at one moment", option="delays"),
    Feature("unique", "a unique key for each job", option="unique"),
    Feature("groups", "10 fair groups", option="groups"),
    Feature("many-groups", "100 000 fair groups", option="many-groups"),
    Feature("keys", "10 concurrency keys of 20 each", option="keys"),
    Feature("many-keys", "100 000 concurrency keys of 1 each", option="many-keys"),
    Feature("orders", "100 000 ordering keys", option="orders"),
    Feature("retries", "a retry for each job, counted in attempts", job_type="bench-retry", attempts=2),
)


class _Due(BenchError):
    """Jobs came to be due before the last of them was enqueued."""


def _rate(bench: Bench, contender: Contender, feature: Feature) -> float:
    """Attempts a second."""
    soon = FILL_S + FILL_PER_JOB_S * (bench.jobs // 2)
    try:
        return _drained(bench, contender, feature, soon)
    except _Due:  # the machine has other work
        return _drained(bench, contender, feature, PATIENCE * soon)


def _drained(bench: Bench, contender: Contender, feature: Feature, soon_s: float) -> float:
    jobs = bench.jobs // 2
    with bench.stage(contender, jobs) as stage:
        due = time.time() + soon_s
        options = {"BENCH_TYPE": feature.job_type, "BENCH_FEATURE": feature.option, "BENCH_DUE": str(due)}
        stage.fill(jobs, environment=options)
        if feature.option == "delays" and time.time() > due:
            raise _Due("the jobs were due before all of them were enqueued")
        with stage.worker() as worker:
            stage.wait(worker, jobs, times=feature.attempts)
            verify(stage, worker, range(jobs), attempts=feature.attempts)
        return feature.attempts * jobs / stage.span_s()


def _features(bench: Bench, contender: Contender) -> Figures:
    plain = _rate(bench, contender, PLAIN)
    figures = {}
    for feature in FEATURES:
        figures[feature.name] = _rate(bench, contender, feature)
        figures[f"{feature.name}_share"] = figures[feature.name] / plain
    return figures


FEATURES_PART = Part(
    "features",
    "drains with features in use: " + ", ".join(feature.name for feature in FEATURES),
    tuple(
        row
        for feature in FEATURES
        for row in (
            Row(feature.name, f"drain with {feature.title}", "attempts/s"),
            Row(f"{feature.name}_share", "… as a share of the plain rate", "×"),
        )
    ),
    only_jobd,
    _features,
)
