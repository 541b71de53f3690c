"""Jobs: changed, rescheduled, moved, duplicated and removed by hand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Unpack

from jobd.domain.duration import Duration
from jobd.domain.names import check_queue_name
from jobd.domain.options import NONE, Options, read_options
from jobd.domain.plain_json import from_json
from jobd.domain.state import State
from jobd.errors import InvalidRequest, JobNotFound, OptionError, StateConflict

if TYPE_CHECKING:
    from jobd.domain.job import Job
    from jobd.domain.keywords import JobOptions
    from jobd.intake import Intake
    from jobd.store.codec import Spec
    from jobd.store.shard import Shard
    from jobd.store.store import Store

NO_FIELDS: Final[Mapping[str, Any]] = {}
KEEP: Final = object()
"""the payload stays as it is"""
_TRIES = 10
"""how often a change is thought anew because others changed the same job in between"""
_MOVED = "moved"


class JobControl(ABC):
    """The part of a client that changes jobs."""

    store: Store

    @property
    @abstractmethod
    def intake(self) -> Intake:
        """What checks requests before they are sent."""

    async def promote(self, job_id: str) -> Job:
        """Makes a delayed job wait now; one that waits already stays where it is. Raises JobNotFound, and StateConflict
        if it has started or is blocked."""
        job = await self.store.get(job_id)
        if job.status is State.BLOCKED:
            raise StateConflict(f"job {job_id} is blocked; it waits for others, not for a time")
        return await self._changed(job_id, NONE, KEEP, "now")

    async def reschedule(self, job_id: str, *, run_at: datetime | None = None, delay: Duration | None = None) -> Job:
        """Sets when a job that has not started may run: at a datetime with a time zone, or so long from now. Raises
        JobNotFound, OptionError, and StateConflict if it has started."""
        if run_at is None and delay is None:
            raise OptionError("run_at: say when it is to run, by run_at or delay")
        return await self.change(job_id, run_at=run_at, delay=delay)

    async def change(self, job_id: str, *, data: object = KEEP, **options: Unpack[JobOptions]) -> Job:
        """Changes a job that has not started: its payload (`data`), which is checked against its type where that is
        known, and any option of `enqueue` but the queue, for which there is `move`. Options that are not named stay as
        they are. Raises JobNotFound, PayloadError, OptionError, and StateConflict if it has started."""
        return await self.change_to(job_id, read_options(options), data)

    async def change_to(
        self, job_id: str, said: Options, data: object = KEEP, *, fields: Mapping[str, Any] | None = None
    ) -> Job:
        """As `change`, with options that have been read, and `fields` of the payload, of which the others stay."""
        if said.queue is not None:
            raise OptionError("queue: a job does not change its queue; move it")
        return await self._changed(job_id, said, data, _due(said), fields or {})

    async def _changed(
        self, job_id: str, said: Options, data: object, due: str, fields: Mapping[str, Any] = NO_FIELDS
    ) -> Job:
        from jobd.intake import UNCHANGED
        from jobd.store.edits import Change

        async def change(shard: Shard, read: bytes, spec: Spec) -> str:
            if said == NONE and data is KEEP and not fields:
                return (await shard.change([Change(job_id, due=due)]))[0]
            payload = {**from_json(spec.payload), **fields} if fields else data
            changed = await self.intake.change(spec, said, UNCHANGED if payload is KEEP else payload)
            return (await shard.change([Change(job_id, read, changed.spec, due)]))[0]

        word = await self._until_fresh(job_id, change)
        if word != "done":
            raise StateConflict(f"job {job_id} is {word}; only a job that has not started can be changed")
        return await self.store.get(job_id)

    async def move(self, job_id: str, to: str, *, reason: str | None = None, **options: Unpack[JobOptions]) -> Job:
        """Moves a job that has not started or has failed to another queue: a new job is made there, with other
        `options` if any are named, and the old one ends as cancelled, in one step; each tells the id of the other
        (`origin`, `moved_to`). What was delayed stays so; what has failed waits anew with all its attempts. Returns the
        new job. Raises JobNotFound, OptionError, StoreFull, and StateConflict if it runs or has completed or been
        cancelled."""
        return await self.move_to(job_id, to, read_options(options), reason)

    async def move_to(self, job_id: str, to: str, said: Options = NONE, reason: str | None = None) -> Job:
        """As `move`, with options that have been read."""
        from jobd.domain.delivery import NewJob
        from jobd.intake import placing_key
        from jobd.store.edits import Move

        queue = check_queue_name(to)
        said = replace(said, queue=queue)
        new_ids: list[str] = []

        async def move(shard: Shard, read: bytes, spec: Spec) -> str:
            job = (await shard.get([job_id]))[0]
            if job is None:
                return "missing"
            if job.queue == queue:
                raise InvalidRequest(f"queue: job {job_id} is in queue {queue} already")
            changed = await self.intake.change(spec, said, origin=job_id)
            due = _due(said)
            if not due and job.status is State.DELAYED:
                due = str(round(job.run_at.timestamp() * 1_000))
            key = placing_key(changed.options)
            if not new_ids:
                new_ids.append(await self.intake.new_job_id(queue, key, shard.number))
            new = NewJob(new_ids[0], queue, changed.options.priority or 0, _anew(due), changed.spec, key=key)
            facts = {"reason": reason or f"moved to queue {queue}"}
            if self.store.shard_of_new(new) != shard.number:
                raise StateConflict(
                    f"queue {queue} is on another shard than job {job_id}; duplicate it and cancel this"
                )
            return (await shard.move([Move(job_id, read, new)], facts))[0]

        word = await self._until_fresh(job_id, move)
        if word != _MOVED:
            raise StateConflict(f"job {job_id} is {word}; only a job that has not started or has failed can be moved")
        return await self.store.get(new_ids[0])

    async def duplicate(
        self, job_id: str, *, data: object = KEEP, id: str | None = None, **options: Unpack[JobOptions]
    ) -> Job:
        """Enqueues another job like this one, whatever has become of this, with another payload (`data`) or other
        options if any are named. It waits now unless they say a time, and tells the id of this one (`origin`). Returns
        the new job, or the one that has the `id` already. Raises as `enqueue` does, and JobNotFound."""
        return await self.copy(job_id, read_options(options), data, id)

    async def copy(self, job_id: str, said: Options = NONE, data: object = KEEP, id: str | None = None) -> Job:
        """As `duplicate`, with options that have been read."""
        from jobd.domain.delivery import NewJob
        from jobd.domain.ids import looks_made
        from jobd.domain.names import check_chosen_id
        from jobd.intake import UNCHANGED, placing_key

        if id is not None and looks_made(check_chosen_id(id)):
            raise OptionError(f"id {id!r}: ids of this shape are made by jobd; choose one that looks different")
        made: list[str] = []

        async def copy(shard: Shard, read: bytes, spec: Spec) -> str:
            bare = replace(spec, options=spec.options.but(run_at_ms=None, delay_ms=None))
            changed = await self.intake.change(bare, said, UNCHANGED if data is KEEP else data, origin=job_id)
            queue = changed.options.queue or ""
            key = placing_key(changed.options) or id or ""
            new_id = id or await self.intake.new_job_id(queue, key, shard.number)
            new = NewJob(new_id, queue, changed.options.priority or 0, _anew(_due(said)), changed.spec, key=key)
            await self.store.enqueue([new])
            made.append(new_id)
            return "done"

        await self._until_fresh(job_id, copy)
        return await self.store.get(made[0])

    async def remove(self, job_id: str) -> None:
        """Removes a job that does not run, with its result, attempts and log; it was gone already is as good. Raises
        JobNotFound if there never was such a job, or not lately, and StateConflict if it runs."""
        for shard in self.store.shards_of(job_id):
            word = (await shard.delete([job_id], [state for state in State if state is not State.ACTIVE]))[0]
            if word == State.ACTIVE:
                raise StateConflict(f"job {job_id} is active; cancel it first, or wait for its end")
            if word == "gone":
                return
        if await self.store.has_grown():
            await self.remove(job_id)
            return
        raise not_found(job_id)

    async def _until_fresh(self, job_id: str, act: Callable[[Shard, bytes, Spec], Awaitable[str]]) -> str:
        """The word that `act` ends with, which is given what the job is, anew if others changed that in between."""
        from jobd.store.codec import unpack_spec

        for shard in self.store.shards_of(job_id):
            for _ in range(_TRIES):
                read = (await shard.specs([job_id]))[0]
                word = await act(shard, read, unpack_spec(read)) if read is not None else "missing"
                if word == "missing":
                    break
                if word != "stale":
                    return word
            else:
                raise StateConflict(f"job {job_id} is changed by others all the time; try again")
        if await self.store.has_grown():
            return await self._until_fresh(job_id, act)
        raise not_found(job_id)


def not_found(job_id: str) -> JobNotFound:
    """The error of a job that is not there."""
    return JobNotFound(f"there is no job {job_id}: it never was, or its retention has ended")


def _due(said: Options) -> str:
    if said.run_at_ms is not None:
        return str(said.run_at_ms)
    return "" if said.delay_ms is None else f"+{said.delay_ms}" if said.delay_ms else "now"


def _anew(due: str) -> str:
    """The same for a job that is made: without a word it runs now."""
    return "" if due == "now" else due
