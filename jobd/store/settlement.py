"""Verdicts on deliveries, on their way to the script that applies them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobd.domain.delivery import ChangedQueues, NewJob
from jobd.domain.settle import Verdict
from jobd.errors import InvalidRequest, StateConflict
from jobd.store.codec import LETTERS
from jobd.store.intake_words import BATCH, made_anew


@dataclass(slots=True)
class Settlement:
    """A verdict on a delivery, ready to be sent."""

    job_id: str
    fence: int
    verdict: Verdict
    result: bytes = b""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """what the history keeps of the attempt: worker, outcome, error, reason"""
    children: Sequence[NewJob] = ()
    """what the handler enqueued through its context"""


def portions(settlements: Sequence[Settlement]) -> list[Sequence[Settlement]]:
    """The settlements in portions of what one script may move, children included; at least one portion."""
    if len(settlements) + sum(len(item.children) for item in settlements) <= BATCH:
        return [settlements]
    several: list[Sequence[Settlement]] = []
    start = weight = 0
    for at, item in enumerate(settlements):
        weight += 1 + len(item.children)
        if weight > BATCH and at > start:
            several.append(settlements[start:at])
            start, weight = at, 1 + len(item.children)
    return [*several, settlements[start:]]


def children_anew(settlements: Sequence[Settlement], changes: ChangedQueues) -> None:
    """Makes what handlers have enqueued anew, by options of queues that have changed since. Where that cannot be, it
    stays as it was when it was enqueued: nobody is left who could be told."""
    for item in settlements:
        item.children = [_child_anew(child, changes) for child in item.children]


def _child_anew(child: NewJob, changes: ChangedQueues) -> NewJob:
    try:
        return made_anew(child, changes)
    except (InvalidRequest, StateConflict):
        return child._replace(edition="-")


def in_order(reply: bytes, order: list[int]) -> list[int]:
    """The script's answers, each where the settlement stood that it answers."""
    answers = [0] * len(reply)
    for digit, index in zip(reply, order, strict=True):
        answers[index] = digit - 48
    return answers


def verdict_words(verdict: Verdict) -> tuple[str, str]:
    """A verdict and its time, as the script knows them."""
    marks = ("" if verdict.spent else "u") + ("s" if verdict.suspect else "") + ("k" if verdict.crashed else "")
    marks += ("l" if verdict.holds_rate else "") + ("" if verdict.begun else "n")
    due = str(verdict.until_ms) if verdict.until_ms else f"+{verdict.delay_ms}"
    return LETTERS[verdict.state] + marks, due
