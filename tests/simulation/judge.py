"""What must hold in a simulated world: while handlers run, and in the end."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.simulation.gates import spec_of
from tests.simulation.oracle import Oracle
from tests.simulation.wishes import Told
from tests.store.hands import START_MS
from tests.store.model import CANCELLED, COMPLETED, FAILED, Job
from tests.store.unique_model import wish_of


@dataclass(frozen=True)
class Run:
    """One run of a handler."""

    job: str
    fence: int
    attempt: int


class Diary:
    """What handlers wrote down, and what was wrong with it."""

    def __init__(self, oracle: Oracle) -> None:
        self.runs: list[Run] = []
        self.wrong: list[str] = []
        self.faults = 0
        self._oracle = oracle
        self._running: set[Run] = set()

    def begins(self, run: Run) -> None:
        """A handler begins. Beside it run those who were delivered lawfully and not taken over since."""
        self.runs.append(run)
        self._running.add(run)
        jobs = self._oracle.model.jobs
        beside = [jobs[other.job] for other in self._running if jobs[other.job].fence == other.fence]
        if jobs[run.job].fence == run.fence:
            crowd = Counter(name for job in beside for name, _ in self._alone(job))
            for name, most in self._alone(jobs[run.job]):
                if crowd[name] > most:
                    running = sorted(job.order.id for job in beside)
                    self.wrong.append(f"{crowd[name]} ran of {' '.join(name)}, of which {most} may: {running}")

    def ends(self, run: Run) -> None:
        """It has come to its end, or was cut off."""
        self._running.discard(run)

    def _alone(self, job: Job) -> Iterator[tuple[tuple[str, ...], int]]:
        yield from self._oracle.model.rules.claims(job.order)
        if turn := self._oracle.model.turn_of(job):
            yield ("order", *turn), 1
        if wish := wish_of(job.order):
            yield ("unique", wish.key), 1


def judge(told: Told, diary: Diary, oracle: Oracle) -> Iterator[str]:
    """What does not hold in the end."""
    jobs = oracle.model.jobs
    yield from diary.wrong
    if lost := told.accepted - set(jobs):
        yield f"accepted, and not there: {sorted(lost)}"
    # an earlier copy of a refused call is known by its age, by the server's clock
    excused = set(told.refused) if oracle.set_back else set()
    for job_id, why in told.refused.items():
        if job_id not in excused and (job_id in jobs or any(run.job == job_id for run in diary.runs)):
            yield f"{job_id} is there, and the answer had been: {why}"
    if strange := {job_id for job_id in jobs if not job_id.endswith("-child")} - told.accepted - told.unclear - excused:
        yield f"there, and nobody asked for it: {sorted(strange)}"
    yield from _fences(oracle)
    for ids in told.sets:
        if 0 < sum(job_id in jobs for job_id in ids) < len(ids):
            yield f"of the set {ids} there are only {sorted(set(ids) & set(jobs))}"
    handed = Counter((job_id, fence) for job_id, fence, _ in oracle.delivered)
    for run, times in Counter((run.job, run.fence) for run in diary.runs).items():
        if times > 1 or handed[run] != 1:
            yield f"delivery {run} was handed over {handed[run]} times, and ran {times} times"
    first = {run.job: at for at, run in reversed(list(enumerate(diary.runs)))}
    begun = [job_id for job_id in told.ordered if job_id in first]
    for before, after in itertools.pairwise(begun):
        if first[before] > first[after]:
            yield f"{after} came behind {before} in its order, and started before it"
    for job_id, job in jobs.items():
        yield from _judge_job(told, diary, job_id, job, oracle)


def _fences(oracle: Oracle) -> Iterator[str]:
    fences: dict[str, list[int]] = {}
    for job_id, fence, _ in oracle.delivered:
        fences.setdefault(job_id, []).append(fence)
    for job_id, mine in fences.items():
        if any(later <= earlier for earlier, later in itertools.pairwise(mine)):
            yield f"{job_id} was handed over with the fences {mine}, which do not grow"


def _judge_job(told: Told, diary: Diary, job_id: str, job: Job, oracle: Oracle) -> Iterator[str]:
    mine = [run for run in diary.runs if run.job == job_id]
    if any(run.job == job_id for run in diary.runs[told.cancelled.get(job_id, len(diary.runs)) :]):
        yield f"{job_id} ran although it had been cancelled before"
    kind, limits = spec_of(job.order.payload).type, job.order.limits
    runs = {run.attempt for run in mine}
    raises = {"bad": 3, "shaky": 1}.get(kind, 0)
    ends = FAILED if kind == "bad" else COMPLETED
    timed_out = job_id in oracle.overdue
    attempts = {1, 2, 3} if timed_out else set(range(1, raises + (kind != "bad") + 1))
    allowed = {ends}
    if job_id in told.cancelling or (limits.expires and not mine):
        allowed.add(CANCELLED)
    may_fail_early = bool(limits.deadline or limits.patience) or job.crashes >= 3 or timed_out
    if may_fail_early:
        allowed.add(FAILED)
    about = f"{job_id} ({kind}, {limits}) is {job.state}"
    if job.state not in allowed or not runs <= attempts:
        yield f"{about} after attempts {sorted(runs)}: only errors spend one"
    elif job.state == ends and runs != attempts and not timed_out and not (may_fail_early and ends == FAILED):
        yield f"{about} after attempts {sorted(runs)} alone"
    for run in mine:
        too_late_ms = run.fence / 1_000 - oracle.model.deadline_of(job)
        if not math.isinf(too_late_ms) and too_late_ms > 1:
            yield f"{about}: it was handed over {too_late_ms:.0f} ms after its deadline, and ran"
    # what was handed over in time has begun, for all one knows, and may run again later
    begun_ms = min((fence / 1_000 for each, fence, _ in oracle.delivered if each == job_id), default=0)
    if limits.expires and mine and begun_ms > job.limits_from + limits.expires + 1:
        since_s = job.limits_from / 1_000 - START_MS / 1_000
        yield f"{about}: it came at {since_s:.3f} s and was to expire, and ran all the same"
    if kind == "parent" and (f"{job_id}-child" in oracle.model.jobs) != (job.state == COMPLETED):
        yield f"{job_id} is {job.state}, and its child {'is' if job.state != COMPLETED else 'is not'} there"
