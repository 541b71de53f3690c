"""Judges a history. Nothing of what jobd counts is believed; of its store only one thing is read, at the end: which
run's result it accepted, for each job."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.chaos.history import Fault, History, Run, Wish

_CLOCK_S = 0.005
"""two clocks of one machine, read one after the other and rounded"""
SETTLE_S = 2.0
"""what ended so long before a fault was settled before it"""


@dataclass(frozen=True)
class Rule:
    """One thing that must not happen, and how to find where it did."""

    name: str
    about: str
    find: Callable[[Judge], Iterator[str]]
    at_failover: bool = True
    """is it promised also for what a new master had not been told when it took over?"""


@dataclass
class Verdict:
    """What a history shows."""

    violations: dict[str, list[str]]
    """by the name of the rule: where, in words"""
    figures: dict[str, float]
    faults: dict[str, Damage]
    """by kind"""
    enough: bool
    """did enough happen for this to mean anything?"""

    @property
    def good(self) -> bool:
        return self.enough and not any(self.violations.values())


@dataclass
class Damage:
    """What faults of one kind did."""

    count: int = 0
    cut_off: int = 0
    """runs that did not come to their end, or whose job had been given to somebody else by then"""
    slowest_s: float = 0.0
    """from such a fault until the last of these ran again"""


@dataclass
class Judge:
    """One history, looked at from all sides."""

    history: History
    lease_s: float
    calm_at: float
    """since then all was well"""
    workers: list[str] = field(default_factory=list)
    forgets: bool = False
    """were there failovers? What a replica was not asked to confirm may then be undone: ends of jobs, cancellations"""

    def faults_of(self, run: Run, until: float) -> list[Fault]:
        """What hit the program of a run while jobd may have had it in hand there."""
        return [
            fault
            for fault in self.history.faults
            if fault.touches(run.program)
            and fault.start <= until
            # what it held was given up when its lease was over, and it may have learned that later
            and fault.end + 2 * self.lease_s + SETTLE_S >= run.start
        ]

    def interval(self, key: str, at: int) -> tuple[float, float]:
        """From when to when a run held what limits it, as far as the journal can tell. One whose program was hit held
        it only until then, as somebody else may have its place from then on; and one that was followed by another may
        have been given away by a fault before its handler had even started."""
        run, *later = self.history.runs[key][at:]
        ends = [run.end] if run.end is not None else []
        ends += [later[0].start] if later else []
        late_s = self.lease_s + SETTLE_S if later and run.how != "raised" else 0.0
        hits = (
            fault for fault in self.history.faults if fault.touches(run.program) and fault.end + late_s >= run.start
        )
        ends += [max(fault.start, run.start) for fault in hits]
        return run.start, min(ends, default=run.start)

    def forgot(self, wish: Wish) -> bool:
        """May a new master have refused what the former one had begun, as it had not been told of it? Then it began
        before the new one took over, and the answer came after."""
        last = max(run.start for run in self.history.runs[wish.key])
        return any(fault.start <= wish.told and last <= fault.end for fault in self._failovers)

    def stood(self, run: Run) -> bool:
        """Did nobody but the master that is there in the end hand it over? While one takes over from another, that one
        may still take itself for the master, and hand out jobs too; in the end nobody knows of that."""
        return not any(fault.start <= run.start <= fault.end for fault in self._failovers)

    @property
    def _failovers(self) -> list[Fault]:
        return [fault for fault in self.history.faults if fault.target == "server"] if self.forgets else []

    def wishes(self, *answers: str) -> Iterator[Wish]:
        return (wish for wish in self.history.wishes.values() if wish.answer in answers)

    def expected(self, key: str) -> bool:
        """Did anybody ask for it? Children are asked for by their parents."""
        parent, _, fence = key.partition(">")
        if not fence:
            return key in self.history.wishes
        runs = self.history.runs.get(parent, [])
        wish = self.history.wishes.get(parent)
        return (
            wish is not None and "child" in wish.facts and int(fence) in {run.fence for run in runs if run.how == "end"}
        )

    def status(self, key: str) -> str:
        return str(self.history.results.get(key, {}).get("status", "gone"))


def _lost(judge: Judge) -> Iterator[str]:
    ended = judge.history.ended
    for wish in judge.wishes("accepted"):
        if wish.key not in ended and not wish.cancelling and not _condemned(judge, wish.key):
            runs = len(judge.history.runs.get(wish.key, []))
            state = judge.status(wish.key)
            yield f"{wish.key} ({wish.kind}) was accepted, started {runs} times and never ended; it is {state}"


def _condemned(judge: Judge, key: str) -> bool:
    """Was it in hand at three deaths, so that jobd may have taken it for their cause? A process that fell silent while
    it had nothing else in hand looks dead too, though its run may have come to an end."""
    runs = judge.history.runs.get(key, [])
    deaths = sum(not run.how or (run.end is not None and bool(judge.faults_of(run, run.end))) for run in runs)
    return judge.status(key) == "failed" and deaths >= 3


def _torn(judge: Judge) -> Iterator[str]:
    sets: dict[str, list[str]] = {}
    for wish in judge.history.wishes.values():
        if "set" in wish.facts:
            sets.setdefault(wish.facts["set"], []).append(wish.key)
    for name, keys in sets.items():
        ran = sum(key in judge.history.runs for key in keys)
        if 0 < ran < len(keys):
            yield f"of the set {name} {ran} of {len(keys)} jobs ran"


def _unexpected(judge: Judge) -> Iterator[str]:
    for key in judge.history.runs:
        if not judge.expected(key):
            yield f"{key} ran, and nobody had asked for it"


def _refused(judge: Judge) -> Iterator[str]:
    for wish in judge.wishes("refused", "existing"):
        if wish.key in judge.history.runs and not judge.forgot(wish):
            yield f"{wish.key} ran, and the answer had been: {wish.answer}"


def _early(judge: Judge) -> Iterator[str]:
    for wish in judge.history.wishes.values():
        runs = judge.history.runs.get(wish.key)
        if runs and "delay" in wish.facts:
            early_s = wish.asked + wish.facts["delay"] - runs[0].start
            if early_s > _CLOCK_S:
                yield f"{wish.key} started {early_s:.3f} s before its time"


def _cancelled(judge: Judge) -> Iterator[str]:
    for wish in judge.history.wishes.values():
        for run in judge.history.runs.get(wish.key, []):
            if wish.cancelled is not None and run.start > wish.cancelled:
                yield f"{wish.key} started {run.start - wish.cancelled:.3f} s after it had been cancelled"


def _again(judge: Judge) -> Iterator[str]:
    for key, runs in judge.history.runs.items():
        for first, second in itertools.pairwise(runs):
            retried = first.how == "raised" and second.attempt > first.attempt
            if not retried and not judge.faults_of(first, second.start):
                yield f"{key} ran again at {second.program}, and nothing had happened at {first.program}"


def _zombies(judge: Judge) -> Iterator[str]:
    for key, runs in judge.history.runs.items():
        result = judge.history.results.get(key, {})
        if result.get("status") == "completed":
            its = result.get("result") or 0
            newest = max((run.fence for run in runs if run.fence == its or judge.stood(run)), default=its)
            if newest > its or its not in {run.fence for run in runs}:
                yield f"{key} was completed by the delivery {its}, and {newest} had been made after it"


def _unsettled(judge: Judge) -> Iterator[str]:
    for wish in judge.wishes("accepted"):
        fine = judge.status(wish.key) == "completed" or wish.cancelling or _condemned(judge, wish.key)
        if wish.key in judge.history.ended and not fine:
            yield f"{wish.key} came to its end, and in the store it is {judge.status(wish.key)}"


def _fences(judge: Judge) -> Iterator[str]:
    for key, runs in judge.history.runs.items():
        for fence, times in Counter(run.fence for run in runs).items():
            if times > 1:
                yield f"{key} ran {times} times under the fence {fence}"


def _families(judge: Judge) -> Iterator[str]:
    children: dict[str, list[str]] = {}
    for key in judge.history.runs:
        parent, _, fence = key.partition(">")
        if fence:
            children.setdefault(parent, []).append(key)
    for wish in judge.history.wishes.values():
        count = len(children.get(wish.key, []))
        if "child" in wish.facts and wish.key in judge.history.ended and count != 1:
            yield f"{wish.key} enqueues one job with its end, and {count} of them ran"


def _attempts(judge: Judge) -> Iterator[str]:
    for key, runs in judge.history.runs.items():
        raised = sum(run.how == "raised" for run in runs)
        most = max(run.attempt for run in runs)
        if most > 1 + raised:
            yield f"{key} is in attempt {most}, and only {raised} had failed"


def _limits(judge: Judge) -> Iterator[str]:
    for limit, keys in _by(judge, "limit").items():
        most = judge.history.wishes[keys[0]].facts["most"]
        for moment, running in _crowd(judge, keys):
            if len(running) > most:
                yield f"{len(running)} jobs of {limit} ran at {moment:.3f}, {most} may: {', '.join(sorted(running))}"
                break


def _uniques(judge: Judge) -> Iterator[str]:
    for unique, keys in _by(judge, "unique").items():
        for moment, running in _crowd(judge, keys):
            if len(running) > 1:
                yield f"two jobs of {unique} ran at {moment:.3f}: {', '.join(sorted(running))}"
                break


def _orders(judge: Judge) -> Iterator[str]:
    for order, keys in _by(judge, "order").items():
        for moment, running in _crowd(judge, keys):
            if len(running) > 1:
                yield f"two jobs of {order} ran at {moment:.3f}: {', '.join(sorted(running))}"
                break
        # a wish is made when the one before it has been answered
        accepted = [key for key in keys if judge.history.wishes[key].answer == "accepted"]
        for before, after in itertools.pairwise(key for key in accepted if key in judge.history.runs):
            if judge.history.runs[after][0].start < judge.history.runs[before][0].start:
                yield f"of {order} {after} started before {before}"


def _by(judge: Judge, fact: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for wish in judge.history.wishes.values():
        if fact in wish.facts:
            found.setdefault(wish.facts[fact], []).append(wish.key)
    return found


def _crowd(judge: Judge, keys: list[str]) -> Iterator[tuple[float, set[str]]]:
    """Who runs, after each start."""
    moments: list[tuple[float, int, str]] = []
    for key in keys:
        for at in range(len(judge.history.runs.get(key, []))):
            start, end = judge.interval(key, at)
            if end > start:
                moments += [(start, 1, key), (end, -1, key)]
    running: Counter[str] = Counter()
    for moment, step, key in sorted(moments):
        running[key] += step
        if not running[key]:
            del running[key]
        if step == 1:
            yield moment, set(running)


def _deaf(judge: Judge) -> Iterator[str]:
    for worker in judge.workers:
        if not any(
            run.program == worker and run.start > judge.calm_at for runs in judge.history.runs.values() for run in runs
        ):
            yield f"{worker} has run nothing since all is well again"


RULES = {
    rule.name: rule
    for rule in (
        Rule("lost", "accepted, and never came to its end", _lost),
        Rule("unsettled", "came to its end, and the store does not know it", _unsettled),
        Rule("torn", "of a set that is taken whole or not at all, a part ran", _torn),
        Rule("unexpected", "ran, and nobody had asked for it", _unexpected),
        Rule("refused-but-ran", "ran, and the answer had been no", _refused),
        Rule("ran-after-cancel", "started after the answer that it is cancelled", _cancelled, at_failover=False),
        Rule("too-early", "started before its time", _early),
        Rule("again-without-cause", "ran again though nothing had happened where it ran", _again),
        Rule("zombie-accepted", "completed by a run whose job had been given to another one", _zombies),
        Rule("fence-twice", "two runs under one fence", _fences),
        Rule("family", "what a handler enqueued did not become real exactly once", _families, at_failover=False),
        Rule("attempt-spent", "a crash cost an attempt", _attempts),
        Rule("over-limit", "more of a concurrency key ran than may", _limits),
        Rule("not-unique", "two jobs of a unique key at a time", _uniques),
        Rule("out-of-order", "jobs of an ordering key together, or in another order", _orders),
        Rule("deaf", "a worker that takes no jobs any more after the last fault", _deaf),
    )
}


def check(judge: Judge, *, least: int) -> Verdict:
    """The verdict. A run with fewer than `least` accepted jobs proves nothing."""
    history = judge.history
    accepted = sum(1 for _ in judge.wishes("accepted"))
    ended = {key: sum(run.how == "end" for run in runs) for key, runs in history.runs.items()}
    reruns = sum(
        sum(
            not (first.how == "raised" and second.attempt > first.attempt) for first, second in itertools.pairwise(runs)
        )
        for runs in history.runs.values()
    )
    doubled = sum(times > 1 for times in ended.values())
    faults = _damage(judge)
    figures: dict[str, float] = {
        "asked": len(history.wishes),
        "accepted": accepted,
        "refused": sum(1 for _ in judge.wishes("refused")),
        "met another": sum(1 for _ in judge.wishes("existing")),
        "unclear": sum(1 for _ in judge.wishes("unknown")),
        "recovered": sum(wish.key in history.ended for wish in judge.wishes("unknown")),
        "asked again": sum(wish.sends - 1 for wish in history.wishes.values()),
        "runs": sum(map(len, history.runs.values())),
        "ran again": reruns,
        "duplicated": doubled,
        "duplicated %": round(100 * doubled / max(len(ended), 1), 3),
        "condemned": sum(_condemned(judge, wish.key) for wish in judge.wishes("accepted")),
        "slowest recovery s": round(max((damage.slowest_s for damage in faults.values()), default=0.0), 2),
        "faults": len(history.faults),
    }
    violations = {rule.name: list(rule.find(judge)) for rule in RULES.values()}
    for rule in RULES.values():
        if judge.forgets and not rule.at_failover:
            figures[f"{rule.name}, at failovers"] = len(violations[rule.name])
            violations[rule.name] = []
    return Verdict(violations, figures, faults, enough=accepted >= least)


def _damage(judge: Judge) -> dict[str, Damage]:
    """What each kind of fault did. A run that it cut off is counted with the last fault that hit its program."""
    damage: dict[str, Damage] = {}
    for fault in judge.history.faults:
        damage.setdefault(fault.name, Damage()).count += 1
    for runs in judge.history.runs.values():
        for first, second in itertools.pairwise(runs):
            hits = [
                fault
                for fault in judge.history.faults
                if fault.touches(first.program) and first.start <= fault.start <= second.start
            ]
            taken_over = first.end is None or first.end > second.start
            if taken_over and hits:
                last = max(hits, key=lambda fault: fault.start)
                damage[last.name].cut_off += 1
                damage[last.name].slowest_s = max(damage[last.name].slowest_s, second.start - last.start)
    return damage
