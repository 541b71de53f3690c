"""What happened in one attempt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict

from jobd.domain.backoff import Backoff


class Ending(StrEnum):
    """The ways in which an attempt ends."""

    RETURNED = "returned"
    RAISED = "raised"
    TIMED_OUT = "timed_out"
    INTERRUPTED = "interrupted"
    """broken off by a shutdown; the job did nothing wrong"""
    LOST = "lost"
    """its process is gone, or nobody heard from it in time"""
    SNOOZED = "snoozed"
    RATE_LIMITED = "rate_limited"
    """somebody else's limit was hit; the job did nothing wrong"""
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """its time had passed before it could start"""


class ErrorRecord(TypedDict, total=False):
    """An error as it is kept: text only, never rebuilt into an exception."""

    type: str
    message: str
    traceback: str
    at: str
    """the function of its author's that it passed last: "shop.pay:charge\""""
    fingerprint: str
    """the same for all errors like it"""


@dataclass(slots=True)
class Outcome:
    """How one attempt ended. Not frozen only because freezing costs half a microsecond a job; nobody changes one."""

    ending: Ending
    result: bytes = b""
    """JSON of what the handler returned; empty for None"""
    error: ErrorRecord | None = None
    reason: str | None = None
    """why it was snoozed, cancelled, interrupted or lost, in words"""
    final: bool = False
    """raised, and more attempts would be of no use"""
    after_ms: int | None = None
    """the pause that the handler asked for, in milliseconds"""
    backoff: Backoff | None = None
    """raised, and its rule says how long to wait"""
    until_ms: int | None = None
    """the moment that the handler asked for, in milliseconds since 1970"""
    alone: bool = False
    """lost, and nothing else ran in the process: the job itself is to blame"""


RETURNED = Outcome(Ending.RETURNED)
"""returned None: the most frequent outcome, made once"""
