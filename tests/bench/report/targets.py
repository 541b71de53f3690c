"""What jobd is to reach, and whether it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.parts.features import FEATURES
from tests.bench.report.findings import Findings
from tests.bench.report.table import number

Measured = Callable[[Findings], float | None]


@dataclass(frozen=True)
class Target:
    """One line: a figure, and the least or the most that it may be."""

    text: str
    measured: Measured
    least: float | None = None
    most: float | None = None

    def met(self, figure: float) -> bool:
        return (self.least is None or figure >= self.least) and (self.most is None or figure <= self.most)


def own(row: str) -> Measured:
    """jobd's own figure."""
    return lambda findings: findings.median(row, "jobd")


def total(*rows: str) -> Measured:
    """The sum of some of its figures."""

    def measured(findings: Findings) -> float | None:
        figures = [figure for row in rows if (figure := findings.median(row, "jobd")) is not None]
        return sum(figures) if len(figures) == len(rows) else None

    return measured


def against(row: str, other: str) -> Measured:
    """Its figure over that of another contender."""

    def measured(findings: Findings) -> float | None:
        ours, theirs = findings.median(row, "jobd"), findings.median(row, other)
        return ours / theirs if ours is not None and theirs else None

    return measured


def over(row: str, other: str) -> Measured:
    """One of its figures over another."""

    def measured(findings: Findings) -> float | None:
        figure, base = findings.median(row, "jobd"), findings.median(other, "jobd")
        return figure / base if figure is not None and base else None

    return measured


def against_best(row: str, *, language: str = "") -> Measured:
    """Its figure over that of the best peer."""

    def measured(findings: Findings) -> float | None:
        found = next((known for known in findings.rows() if known.name == row), None)
        ours, best = findings.median(row, "jobd"), found and findings.best_peer(found, language=language)
        return ours / best[1] if ours is not None and best else None

    return measured


TARGETS = (
    Target("drain, times BullMQ", against("drain", "bullmq"), least=4),
    Target("drain, times the best Python peer", against_best("drain", language="python"), least=10),
    Target("drain, share of the claim-and-acknowledge floor", against("drain", "claim"), least=0.4),
    Target("two workers, times one", over("two", "drain"), least=1.3),
    Target("server CPU for a job, µs", total("bulk_cpu_us", "drain_cpu_us"), most=12),
    Target("the same with fsync everysec, µs", own("everysec_cpu_us"), most=18),
    *(
        Target(f"{name} with fsync {policy}, share of off", own(f"{policy}_{row}_share"), least=least)
        for policy, least in (("everysec", 0.8), ("always", 0.4))
        for row, name in (("drain", "drain"), ("one", "enqueue one by one"), ("bulk", "enqueue bulk"))
    ),
    Target("enqueue bulk, times the best peer", against_best("bulk"), least=3),
    Target("enqueue one by one, times the best peer", against_best("one"), least=0.8),
    Target("enqueue with 100 in flight, times the best peer", against_best("flight"), least=3),
    Target("enqueue to start, p50, ms", own("start_p50"), most=0.7),
    Target("enqueue to start, p99, times the floor's", against("start_p99", "pop"), most=1.5),
    Target("Redis memory per waiting job, bytes", own("bytes"), most=300),
    Target("drain with a large backlog, share of a small one", own("backlog_share"), least=0.9),
    Target("slowest command with a large delayed set, ms", own("delayed_slowest"), most=5),
    Target("1 ms of sleep at concurrency 1 000, share of no-op", own("sleep_share"), least=0.7),
    Target("sync handlers in threads, times the best peer with threads", against_best("threads"), least=2),
    # by sharing scripts: on one connection there is nobody to share with, and each request waits for a trip of its own
    Target("HTTP enqueue on 100 connections, share of the floor", against("http_flight", "aiohttp"), least=0.6),
    Target("HTTP enqueue in batches of 1 000, jobs/s", own("http_batch"), least=40_000),
    Target("worker process, idle, MB", own("child_idle"), most=60),
    Target("the same after the drain, times idle", over("child_after", "child_idle"), most=1.1),
    Target("`jobd --help`, ms", own("start_ms"), most=150),
    *(
        Target(f"drain with {feature.title}, share of plain", own(f"{feature.name}_share"), least=0.5)
        for feature in FEATURES
    ),
)


def verdicts(findings: Findings) -> str:
    """A line for each target that this run can judge; nothing if there is none."""
    lines = []
    for target in TARGETS:
        figure = target.measured(findings)
        if figure is not None:
            wanted = f"≥ {target.least:g}" if target.least is not None else f"≤ {target.most:g}"
            lines.append(
                f"| {target.text} | {wanted} | {number(figure)} | {'yes' if target.met(figure) else '**no**'} |"
            )
    return "\n".join(["| target | wanted | measured | met |", "| --- | ---: | ---: | --- |", *lines]) if lines else ""
