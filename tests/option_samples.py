"""Values of every option, as they are written in each place where it may be said, and what is meant by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jobd.domain.backoff import Backoff
from jobd.domain.isolation import Isolation
from jobd.domain.keep import Keep
from jobd.domain.options import ROWS, Level
from jobd.domain.rate import Rate
from jobd.domain.unique import Unique
from jobd.domain.when import When


@dataclass(frozen=True)
class Sample:
    """A value of an option, as it is written in each place, and what is meant by it."""

    python: Any
    json: Any
    words: list[str]
    toml: str
    meant: Any


def duration(seconds: int) -> Sample:
    text = f"{seconds}s"
    return Sample(text, 1_000 * seconds, [text], f'"{text}"', 1_000 * seconds)


def number(value: int, meant: int | None = None) -> Sample:
    return Sample(value, value, [str(value)], str(value), value if meant is None else meant)


def word(value: str, meant: Any = None) -> Sample:
    return Sample(value, value, [value], f'"{value}"', value if meant is None else meant)


def moment(year: int) -> Sample:
    text = f"{year}-01-31T08:00:00Z"
    at = datetime(year, 1, 31, 8, tzinfo=UTC)
    return Sample(at, text, [text], "", round(at.timestamp() * 1_000))


AT = datetime(2090, 1, 31, 8, tzinfo=UTC)
AT_TEXT = "2090-01-31T08:00:00.000Z"
AT_MEANT = When(at_ms=round(AT.timestamp() * 1_000))
WHENS = [
    word("5m", When(after_ms=300_000)),
    Sample(AT, AT_TEXT, [AT_TEXT], AT_TEXT, AT_MEANT),
    Sample(1.5, "1500ms", ["1.5"], "1.5", When(after_ms=1_500)),
    Sample(AT_TEXT, AT_TEXT, [AT_TEXT], f'"{AT_TEXT}"', AT_MEANT),
]
KEEPS = [
    Sample(10, 10, ["10"], "10", Keep(10)),
    Sample("none", 0, ["0"], "0", Keep(0)),
    word("7d", Keep(age_ms=7 * 86_400_000)),
    Sample(Keep(5, 1_000), {"count": 5, "age_ms": 1_000}, ["last 5 for 1s"], '"5, 1s"', Keep(5, 1_000)),
]
SAMPLES: Mapping[str, list[Sample]] = {
    "queue": [word(name) for name in ("one", "two", "three", "four")],
    "priority": [number(1), word("high", 3), word("7", 7), number(10)],
    "delay": [duration(seconds) for seconds in (1, 2, 3, 4)],
    "run_at": [moment(year) for year in (2090, 2091, 2092, 2093)],
    "max_attempts": [number(n) for n in (1, 2, 3, 1_000)],
    "retries": [number(n, n + 1) for n in (0, 5, 6, 7)],
    "backoff": [
        word("5s", Backoff.fixed("5s")),
        Sample(Backoff.fixed("6s"), "6s", ["6"], "6", Backoff.fixed("6s")),
        Sample(
            {"base_ms": 500},
            {"base_ms": 500},
            ['{"base_ms": 500}'],
            "{ base_ms = 500 }",
            Backoff.exponential("500ms"),
        ),
        word("Linear", Backoff.linear()),
        Sample([1, "2s"], [1_000, "2s"], ["1,2s"], '[1, "2s"]', Backoff.delays(1, 2)),
        Sample(Backoff.delays(3), {"delays_ms": [3_000]}, ["[3000]"], "{ delays_ms = [3000] }", Backoff.delays(3)),
    ],
    "timeout": [duration(seconds) for seconds in (1, 2, 3, 4)],
    "unique": [
        Sample(True, True, ["true"], "true", Unique()),
        Sample(False, False, ["false"], "false", False),
        word("a key", Unique("a key")),
        Sample(
            Unique(fields=["n"], period="5s", mode="throttle"),
            {"fields": ["n"], "period_ms": 5_000, "mode": "throttle"},
            ['{"fields": ["n"], "period": "5s", "mode": "throttle"}'],
            '{ fields = ["n"], period = "5s", mode = "throttle" }',
            Unique(fields=["n"], period="5s", mode="throttle"),
        ),
    ],
    "heartbeat_timeout": [duration(seconds) for seconds in (1, 2, 3, 4)],
    "queue_timeout": [duration(seconds) for seconds in (1, 2, 3, 4)],
    "expires": WHENS,
    "deadline": WHENS,
    "tags": [Sample([tag, "x"], [tag, "x"], [tag, "x"], f'["{tag}", "x"]', (tag, "x")) for tag in ("a", "b", "c", "d")],
    "metadata": [Sample({"n": n}, {"n": n}, [f"n:={n}"], f"{{ n = {n} }}", {"n": n}) for n in (1, 2, 3, 4)],
    "group": [word(name) for name in ("g1", "g 2", "g:3", "g;4")],
    "ordering_key": [word(name) for name in ("o1", "o 2", "o:3", "ö=4")],
    "concurrency": [number(n) for n in (1, 2, 3, 100_000)],
    "concurrency_key": [word(name) for name in ("c1", "c 2", "c:3", "@c")],
    "rate": [word(f"{n}/1m", Rate(n, 60_000)) for n in (1, 2)]
    + [
        Sample(Rate.of(3, "1s"), {"count": 3, "per_ms": 1_000}, ["3/1s"], '"3/1s"', Rate(3, 1_000)),
        word("4/1s/5", Rate(4, 1_000, 5)),
    ],
    "rate_key": [word(name) for name in ("r1", "r 2", "r:3", "r/4")],
    "rate_weight": [number(n) for n in (1, 2, 3, 1_000)],
    "keep_completed": KEEPS,
    "keep_failed": KEEPS,
    "durability": [word("replica"), word("server"), word("Replica", "replica"), word("SERVER", "server")],
    "isolation": [
        word("process", Isolation()),
        word("none", Isolation(process=False)),
        Sample(
            Isolation(memory=512_000_000, cpu_ms=30_000),
            {"memory": 512_000_000, "cpu_ms": 30_000},
            ["process memory=512MB cpu=30s"],
            '"memory=512MB, cpu=30s"',
            Isolation(512_000_000, 30_000),
        ),
        Sample({"cpu": "1m"}, {"cpu_ms": 60_000}, ["cpu=1m"], '{ cpu = "1m" }', Isolation(cpu_ms=60_000)),
    ],
    "front": [Sample(yes, yes, [str(yes).lower()], str(yes).lower(), yes) for yes in (True, False, True, False)],
}
WRONG: Mapping[str, Any] = {
    "queue": "No Such",
    "priority": 11,
    "delay": -1,
    "run_at": "tomorrow",
    "max_attempts": 0,
    "retries": -1,
    "backoff": "often",
    "timeout": 0,
    "unique": [],
    "heartbeat_timeout": 0,
    "queue_timeout": "long",
    "expires": 0,
    "deadline": "tomorrow",
    "tags": [5],
    "metadata": [1],
    "group": "",
    "ordering_key": "line\nbreak",
    "concurrency": 0,
    "concurrency_key": "x" * 256,
    "rate": "often",
    "rate_key": "line\nbreak",
    "rate_weight": 0,
    "keep_completed": -1,
    "keep_failed": "some",
    "durability": "always",
    "isolation": "thread",
    "front": "first",
}


def flags(keyword: str, words: list[str]) -> list[str]:
    """These words on the command line."""
    flag = f"--{ROWS[keyword].flag.replace('_', '-')}"
    return [part for word in words for part in (flag, word)]


# --- who says what ---------------------------------------------------------------------------------------------------

JOB, TYPE, SET, DECLARED, ALL = range(5)
"""who says an option, the uppermost first: a job, its type, its queue at run time, its queue in a file, the defaults"""
_LEVELS = {JOB: Level.JOB, TYPE: Level.TYPE, SET: Level.QUEUE, DECLARED: Level.QUEUE, ALL: Level.DEFAULTS}


def said(keyword: str, place: int) -> Sample:
    """What is said there: never what those next to it say. Pauses are such as have no chance in them."""
    samples = SAMPLES[keyword]
    if keyword == "backoff":
        samples = [samples[at] for at in (0, 1, 4, 5)]
    if place in (JOB, ALL):
        return samples[2 if place == JOB and Level.QUEUE not in ROWS[keyword].levels else 0]
    return samples[place]


def may_say(keyword: str, place: int) -> bool:
    """Is this option one that is said there?"""
    return _LEVELS[place] in ROWS[keyword].levels
