"""The checker sees each thing that must not happen, and sees nothing where all was well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.checker import RULES, Judge, Verdict, check
from tests.chaos.history import Fault, History, Run, Scribe, Wish, read

LEASE_S = 4.0


class Tale:
    """A history made by hand."""

    def __init__(self) -> None:
        self.history = History({}, {}, [], {})

    def wish(self, key: str, answer: str = "accepted", *, asked: float = 0.0, **facts: Any) -> Wish:
        self.history.wishes[key] = Wish(key, "plain", asked, "producer-1", answer, asked + 0.01, dict(facts))
        return self.history.wishes[key]

    def run(
        self,
        key: str,
        start: float,
        end: float | None,
        how: str = "end",
        *,
        fence: int = 1,
        worker: int = 1,
        attempt: int = 1,
    ) -> None:
        run = Run(key, key, attempt, fence, f"worker-{worker}", start, end, how if end is not None else "")
        self.history.runs.setdefault(key, []).append(run)

    def settled(self, key: str, fence: int = 1, status: str = "completed") -> None:
        self.history.results[key] = {"status": status, "result": fence}

    def done(self, key: str, start: float = 1.0, end: float = 2.0, **facts: Any) -> None:
        """Accepted, run once, settled."""
        self.wish(key, **facts)
        self.run(key, start, end)
        self.settled(key)

    def fault(self, name: str, target: str, start: float, end: float) -> None:
        touched = "*" if target == "server" else target
        self.history.faults.append(Fault(name, target, frozenset({touched}), start, end))

    def verdict(self) -> Verdict:
        return check(Judge(self.history, LEASE_S, calm_at=0.0, workers=["worker-1"]), least=1)


def lost(tale: Tale) -> None:
    tale.wish("a")


def unsettled(tale: Tale) -> None:
    tale.done("a")
    tale.settled("a", status="waiting")


def torn(tale: Tale) -> None:
    tale.done("a", set="a")
    tale.wish("b", "unknown", set="a")


def unexpected(tale: Tale) -> None:
    tale.run("nobody", 1, 2)


def unexpected_child(tale: Tale) -> None:
    tale.done("a", child=True)
    tale.run("a>7", 2.1, 2.2)


def refused(tale: Tale) -> None:
    tale.wish("a", "refused")
    tale.run("a", 1, 2)


def met_another(tale: Tale) -> None:
    tale.wish("a", "existing")
    tale.run("a", 1, 2)


def after_cancel(tale: Tale) -> None:
    tale.done("a", start=3, end=4)
    tale.history.wishes["a"].cancelling, tale.history.wishes["a"].cancelled = True, 2.0


def too_early(tale: Tale) -> None:
    tale.done("a", start=1.0, delay=1.5)


def again(tale: Tale) -> None:
    tale.done("a")
    tale.run("a", 3, 4, fence=2)
    tale.settled("a", 2)


def again_after_a_fault_elsewhere(tale: Tale) -> None:
    again(tale)
    tale.fault("kill-tree", "worker-2", 1.5, 1.6)


def again_long_after_a_fault(tale: Tale) -> None:
    tale.fault("reset", "worker-1", 1, 1)
    tale.wish("a")
    tale.run("a", 50, 51)
    tale.run("a", 52, 53, fence=2)
    tale.settled("a", 2)


def zombie(tale: Tale) -> None:
    tale.done("a")
    tale.fault("stop-tree", "worker-1", 1.5, 9)
    tale.run("a", 6, 7, fence=2, worker=2)


def same_fence(tale: Tale) -> None:
    tale.done("a")
    tale.fault("stop-tree", "worker-1", 1.5, 9)
    tale.run("a", 6, 7, worker=2)


def no_child(tale: Tale) -> None:
    tale.done("a", child=True)


def two_children(tale: Tale) -> None:
    tale.done("a", child=True)
    tale.fault("stop-tree", "worker-1", 1.5, 9)
    tale.run("a", 6, 7, fence=2, worker=2)
    tale.settled("a", 2)
    tale.run("a>1", 8, 8.1)
    tale.run("a>2", 8, 8.1)


def spent(tale: Tale) -> None:
    tale.wish("a")
    tale.run("a", 1, None)
    tale.fault("kill-child", "worker-1", 1.5, 1.5)
    tale.run("a", 2, 3, fence=2, attempt=2)
    tale.settled("a", 2)


def crowded(tale: Tale) -> None:
    for key in "abc":
        tale.done(key, limit="l", most=2)


def not_unique(tale: Tale) -> None:
    tale.done("a", unique="u")
    tale.done("b", unique="u")


def together(tale: Tale) -> None:
    tale.done("a", order="o")
    tale.done("b", start=1.5, asked=0.5, order="o")


def wrong_order(tale: Tale) -> None:
    tale.done("a", start=5, end=6, order="o")
    tale.done("b", start=1.5, end=2, asked=0.5, order="o")


def deaf(tale: Tale) -> None:
    tale.wish("a")
    tale.run("a", 1, 2, worker=2)
    tale.settled("a")


SEEN: list[tuple[str, Callable[[Tale], None]]] = [
    ("lost", lost),
    ("unsettled", unsettled),
    ("torn", torn),
    ("unexpected", unexpected),
    ("unexpected", unexpected_child),
    ("refused-but-ran", refused),
    ("refused-but-ran", met_another),
    ("ran-after-cancel", after_cancel),
    ("too-early", too_early),
    ("again-without-cause", again),
    ("again-without-cause", again_after_a_fault_elsewhere),
    ("again-without-cause", again_long_after_a_fault),
    ("zombie-accepted", zombie),
    ("fence-twice", same_fence),
    ("family", no_child),
    ("family", two_children),
    ("attempt-spent", spent),
    ("over-limit", crowded),
    ("not-unique", not_unique),
    ("out-of-order", together),
    ("out-of-order", wrong_order),
    ("deaf", deaf),
]


@pytest.mark.parametrize(("rule", "happens"), SEEN, ids=lambda value: getattr(value, "__name__", value))
def test_it_sees(rule: str, happens: Callable[[Tale], None]) -> None:
    tale = Tale()
    happens(tale)
    verdict = tale.verdict()
    assert verdict.violations[rule]
    assert not verdict.good


def test_each_rule_has_been_seen_to_fail() -> None:
    assert {rule for rule, _ in SEEN} == set(RULES)


def test_it_sees_nothing_where_all_was_well() -> None:
    tale = Tale()
    tale.done("plain")
    tale.done("parent", child=True)
    tale.run("parent>1", 2.1, 2.2)
    for at, key in enumerate("abc"):
        tale.done(key, start=2.0 * at, end=2.0 * at + 2, asked=0.01 * at, order="o", limit="l", most=1)
    tale.wish("wrong", "refused")
    tale.wish("late", delay=0.5)
    tale.run("late", 0.6, 0.7)
    tale.settled("late")
    tale.wish("retried")
    tale.run("retried", 1, 2, "raised")
    tale.run("retried", 2.5, 3, fence=2, attempt=2)
    tale.settled("retried", 2)
    assert tale.verdict().violations == {rule: [] for rule in RULES}
    assert tale.verdict().good


def test_what_a_crash_makes_run_again_is_told_and_no_violation() -> None:
    tale = Tale()
    tale.wish("a", limit="l", most=1, order="o")
    tale.run("a", 1, None)
    tale.fault("kill-child", "worker-1", 1.5, 1.5)
    tale.run("a", 4.5, 5, fence=2)
    tale.settled("a", 2)
    tale.wish("cancelled").cancelling = True
    tale.wish("open", "unknown")
    verdict = tale.verdict()
    assert verdict.good
    assert (verdict.figures["ran again"], verdict.figures["duplicated"], verdict.figures["slowest recovery s"]) == (
        1,
        0,
        3,
    )
    assert (verdict.faults["kill-child"].cut_off, verdict.figures["unclear"]) == (1, 1)


@pytest.mark.parametrize(("silences", "good"), [(3, True), (2, False)])
def test_a_job_whose_process_fell_silent_three_times_may_have_failed_though_it_came_to_an_end(
    silences: int, good: bool
) -> None:
    tale = Tale()
    tale.wish("a")
    for fence in range(1, silences + 1):
        tale.run("a", 100.0 * fence, 100.0 * fence + 9, fence=fence)
        tale.fault("stop-tree", "worker-1", 100.0 * fence + 0.5, 100.0 * fence + 8.5)
    tale.settled("a", status="failed")
    assert (not tale.verdict().violations["unsettled"]) is good


def test_the_place_of_a_stopped_worker_may_be_taken_while_it_is_stopped() -> None:
    tale = Tale()
    tale.wish("a", limit="l", most=1)
    tale.run("a", 1, 9.5)
    tale.fault("stop-tree", "worker-1", 1.5, 9)
    tale.done("b", start=6, end=7, limit="l", most=1)
    tale.run("a", 8, 8.5, fence=2, worker=2)
    tale.settled("a", 2)
    verdict = tale.verdict()
    assert verdict.good
    assert verdict.figures["duplicated"] == 1


def test_a_handler_may_start_after_its_stopped_worker_has_lost_the_job() -> None:
    tale = Tale()
    tale.fault("stop-tree", "worker-1", 1, 9)
    tale.done("b", start=8, end=10, limit="l", most=1)
    tale.history.runs["b"][0].program = "worker-2"
    tale.wish("a", limit="l", most=1)
    tale.run("a", 9.001, 9.01, "stopped")
    tale.run("a", 10.5, 11, fence=2, worker=2)
    tale.settled("a", 2)
    assert not tale.verdict().violations["over-limit"]


@pytest.mark.parametrize(
    ("failover", "good"), [((1.5, 2.5), True), ((0.5, 0.8), False), ((4, 5), False)], ids=["between", "before", "after"]
)
def test_a_new_master_may_refuse_what_the_former_one_had_begun_without_telling_it(
    failover: tuple[float, float], good: bool
) -> None:
    tale = Tale()
    tale.wish("a", "refused", asked=0.9).told = 3
    tale.run("a", 1, 2)
    tale.fault("failover", "server", *failover)
    judge = Judge(tale.history, LEASE_S, 0.0, [], forgets=True)
    assert (not check(judge, least=0).violations["refused-but-ran"]) is good
    judge.forgets = False
    assert check(judge, least=0).violations["refused-but-ran"]


@pytest.mark.parametrize(("failover", "good"), [((5, 8), True), ((1, 5), False), ((6.5, 8), False)])
def test_a_delivery_that_a_former_master_made_while_the_new_one_took_over_is_forgotten(
    failover: tuple[float, float], good: bool
) -> None:
    tale = Tale()
    zombie(tale)
    tale.fault("stop-server", "server", *failover)
    judge = Judge(tale.history, LEASE_S, 0.0, [], forgets=True)
    assert (not check(judge, least=0).violations["zombie-accepted"]) is good
    judge.forgets = False
    assert check(judge, least=0).violations["zombie-accepted"]


def test_a_run_in_which_hardly_anything_happened_proves_nothing() -> None:
    tale = Tale()
    tale.done("a")
    judge = Judge(tale.history, LEASE_S, 0.0, ["worker-1"])
    assert check(judge, least=1).good
    assert not check(judge, least=2).good


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    producer, worker = Scribe(tmp_path / "producer-1.7"), Scribe(tmp_path / "worker-1.8", on_disk=True)
    producer.write("ask", key="a", kind="delayed", delay=0.5)
    producer.write("ask", key="a", kind="delayed", delay=0.5)
    producer.write("answer", key="a", answer="accepted")
    worker.write("start", key="a", job="j", attempt=1, fence=3)
    worker.write("end", key="a", job="j", attempt=1, fence=3)
    worker.write("start", key="b", job="k", attempt=1, fence=4)
    worker.close()
    producer.close()
    with (tmp_path / "worker-1.8").open("a") as torn_line:
        torn_line.write('{"say": "end"')
    history = read(tmp_path)
    assert (history.wishes["a"].answer, history.wishes["a"].sends, history.wishes["a"].facts["delay"]) == (
        "accepted",
        2,
        0.5,
    )
    (run,), (cut,) = history.runs["a"], history.runs["b"]
    assert (run.program, run.fence, run.how, cut.how, cut.end) == ("worker-1", 3, "end", "", None)
    assert history.ended == {"a"}
