"""Requests that are to take effect once: the store keeps what it answered, and answers a repeat alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobd.domain.delivery import Met, NewJob
from jobd.errors import IdempotencyMismatch


@dataclass(frozen=True, slots=True)
class Once:
    """What a request is known by for a day."""

    name: str
    """of the caller's choice, in up to 64 plain characters"""
    digest: str
    """of all that it asks for"""


class AnsweredBefore(Exception):
    """A request of this name has been answered before, like this: for each job what became of it, and an id."""

    def __init__(self, once: Once, digest: str, words: Sequence[bytes]) -> None:
        super().__init__(once.name)
        if digest != once.digest:
            raise IdempotencyMismatch(
                "this idempotency key came with another request within the last 24 hours; a new request needs a new key"
            )
        self.answers = [(what, job_id) for what, _, job_id in (word.decode().partition(" ") for word in words)]


def answer_to(job: NewJob, made: bool | Met) -> tuple[str, str]:
    """What became of a job, in a word, and the id of that or of the other one."""
    if isinstance(made, Met):
        return "replaced" if made.replaced else "existing", made.id
    return "created" if made else "existing", job.id
