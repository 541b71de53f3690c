"""What others than its handler say of a job, by its id: how far it is, and lines of its log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobd.control.jobs import not_found
from jobd.domain.state import State
from jobd.errors import OptionError, StateConflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobd.store.store import Store

LEVELS = ("debug", "info", "warning", "error")


class ReportControl:
    """The part of a client that speaks for a job: for a program that a handler has started, or a system that it waits
    for."""

    store: Store

    async def set_progress(
        self, job_id: str, done: float, total: float | None = None, message: str | None = None
    ) -> None:
        """Says how far a running job is, as `ctx.progress` does in its handler. It is no heartbeat. Raises OptionError
        for what is no finite number, JobNotFound, and StateConflict if the job does not run."""
        from jobd.store.reports import progress_words

        state = await self._say(job_id, "progress", progress_words(done, total, message))
        if state is not None:
            raise StateConflict(f"job {job_id} is {state}; only a running one makes progress")

    async def add_log(
        self, job_id: str, text: str, *, level: str = "info", fields: Mapping[str, object] | None = None
    ) -> None:
        """Adds a line to the log of a job that has started, as `ctx.log` does in its handler: it belongs to the attempt
        that runs, or ran last. `level` is debug, info, warning or error. Raises OptionError, JobNotFound, and
        StateConflict if the job has not started."""
        from jobd.store.reports import log_words, packed_fields

        if level not in LEVELS:
            raise OptionError(f"level: {level!r} is none of {', '.join(LEVELS)}")
        state = await self._say(job_id, "log", log_words(level, text, packed_fields(fields or {})[1]))
        if state is not None:
            raise StateConflict(f"job {job_id} is {state} and has not started; it has no log yet")

    async def _say(self, job_id: str, what: str, words: bytes) -> State | None:
        """None if that is with the job now; else the state in which it cannot be."""
        for shard in self.store.shards_of(job_id):
            word = await shard.say_from_outside(job_id, what, words)
            if word != "missing":
                return None if word == "said" else State(word)
        if await self.store.has_grown():
            return await self._say(job_id, what, words)
        raise not_found(job_id)
