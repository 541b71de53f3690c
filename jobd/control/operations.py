"""Operations on many jobs: begun by anybody, carried on by whoever takes them, so that they outlive their runner."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Unpack

from jobd import clock
from jobd.control.filters import JobFilter, filter_from_json, filter_to_json, make_filter, refuse_states
from jobd.control.jobs import JobControl
from jobd.domain.ids import new_id
from jobd.domain.job import moment
from jobd.domain.names import same_name
from jobd.domain.operation import ALLOWED, MEANT, Operation, Preview, Stage, Verb
from jobd.domain.options import NONE, Options, from_record, read_options
from jobd.errors import InvalidRequest, JobdError, OperationNotFound, OptionError, StoreError

if TYPE_CHECKING:
    from jobd.catalog import Catalog
    from jobd.domain.job import Job
    from jobd.domain.keywords import JobOptions
    from jobd.store.operations import Operations
    from jobd.store.queries import Filter, Page

LEASE_MS = 30_000
"""how long an operation waits for its runner to say how far it is, before another takes it"""
_SAMPLE = 10
_PREVIEW_PAGES = 20
_SAME = frozenset({"done", "gone", "cancelled", "asked", "waiting"})
"""what the store says of a job to which it was done"""


class OperationControl(JobControl):
    """The part of a client that is about many jobs."""

    @property
    @abstractmethod
    def catalog(self) -> Catalog:
        """The job types known here."""

    async def preview(self, verb: str, **which: Unpack[JobFilter]) -> Preview:
        """What an operation would find now: how many jobs, and the first ten. It looks at up to 100,000. Raises
        InvalidRequest."""
        from jobd.store.queries import MOST_ON_PAGE, list_jobs

        wanted = self._meant(read_verb(verb), which)
        count, cursor = 0, None
        sample: list[Job] = []
        for _ in range(_PREVIEW_PAGES):
            page = await list_jobs(self.store, wanted, limit=MOST_ON_PAGE, cursor=cursor)
            count += len(page.jobs)
            sample += page.jobs[: _SAMPLE - len(sample)]
            cursor = page.cursor
            if cursor is None:
                break
        return Preview(count=count, exact=cursor is None, sample=tuple(sample))

    async def operate(
        self,
        verb: str,
        *,
        reason: str | None = None,
        to: str | None = None,
        changes: JobOptions | None = None,
        data: Mapping[str, Any] | None = None,
        most: int | None = None,
        **which: Unpack[JobFilter],
    ) -> Operation:
        """Begins to "retry", "cancel", "remove", "promote", "change" (with `changes`, options as of `enqueue`, and
        `data`, fields of the payload, of which the others stay) or "move" (`to` a queue) all jobs that fit: `status`,
        `type`, `queue`, `date`, `created_after`, `created_before`, `finished_before`, `tags` (all of them), `metadata`
        (these facts, equal), up to `most`. Jobs that come after this call are left alone. A monitor carries it on in
        chunks; `run_operation` does so here. Raises InvalidRequest, OptionError."""
        return await self.begin(
            read_verb(verb), which, reason=reason, to=to, changes=read_options(changes or {}), data=data, most=most
        )

    async def begin(
        self,
        verb: Verb,
        which: JobFilter,
        *,
        reason: str | None = None,
        to: str | None = None,
        changes: Options = NONE,
        data: Mapping[str, Any] | None = None,
        most: int | None = None,
    ) -> Operation:
        """As `operate`, with changes that have been read."""
        wanted = self._meant(verb, which)
        if (verb is Verb.MOVE) != (to is not None):
            raise InvalidRequest("to: a move needs the queue to move to, and nothing else does")
        if (verb is Verb.CHANGE) != (changes != NONE or bool(data)):
            raise InvalidRequest("changes: a change needs options or fields of the data, and nothing else does")
        if changes.queue is not None:
            raise OptionError("queue: a job does not change its queue; move it")
        now = await self.now()
        # what comes, or ends once more, while it runs is not meant
        wanted = replace(
            wanted,
            created_before=min(now, wanted.created_before or now),
            finished_before=min(now, wanted.finished_before or now),
        )
        arguments = {
            "reason": reason,
            "to": to,
            "changes": changes.to_record() or None,
            "data": dict(data) if data else None,
            "most": most,
        }
        operation_id = new_id(clock.now_ms(), clock.random_bits)
        about = {
            "verb": verb.value,
            "filter": filter_to_json(wanted),
            "arguments": {name: value for name, value in arguments.items() if value is not None},
        }
        await self._operations.begin(operation_id, about)
        return await self.operation(operation_id)

    async def now(self) -> datetime:
        """The moment by the store's clock, behind all that has happened there."""
        return moment(await self.store.shards[0].next_ms())

    async def long_ago(self, ms: int) -> datetime:
        """The moment so many milliseconds before `now`."""
        return await self.now() - timedelta(milliseconds=ms)

    async def operations(self) -> list[Operation]:
        """The last hundred operations, and those that run, the newest first."""
        return await self._operations.list()

    async def operation(self, operation_id: str) -> Operation:
        """The operation of this id. Raises OperationNotFound."""
        found = await self._operations.get(operation_id)
        if found is None:
            raise OperationNotFound(f"there is no operation {operation_id}: it never was, or is long over")
        return found

    async def abort_operation(self, operation_id: str) -> Operation:
        """Asks that an operation end; what it has done stays done. Raises OperationNotFound."""
        if not await self._operations.abort(operation_id):
            raise OperationNotFound(f"there is no operation {operation_id}: it never was, or is long over")
        return await self.operation(operation_id)

    async def run_operation(self, operation_id: str, *, seconds: float | None = None) -> Operation:
        """Carries an operation on here, to its end or for some `seconds`, unless somebody else does. Raises
        OperationNotFound."""
        await self.carry_on(f"client-{new_id(clock.now_ms(), clock.random_bits)}", operation_id, seconds=seconds)
        return await self.operation(operation_id)

    async def carry_on(self, owner: str, operation_id: str = "", *, seconds: float | None = None) -> bool:
        """Carries on an operation that nobody works on (this one, or any). False if there was none."""
        from jobd.store.queries import MOST_ON_PAGE, list_jobs

        taken = await self._operations.take(owner, LEASE_MS, operation_id)
        if taken is None:
            return False
        name, about, progress = taken
        wanted, verb, arguments = filter_from_json(about["filter"]), Verb(about["verb"]), about["arguments"]
        give_up = clock.monotonic() + seconds if seconds is not None else float("inf")
        stage = Stage.RUNNING.value
        while stage == Stage.RUNNING:
            left = arguments["most"] - progress["done"] if "most" in arguments else MOST_ON_PAGE
            page = await list_jobs(self.store, wanted, limit=max(1, min(MOST_ON_PAGE, left)), cursor=progress["cursor"])
            if left > 0:
                await self._apply(verb, page, wanted, arguments, progress)
            progress["cursor"] = page.cursor
            over = page.cursor is None or ("most" in arguments and progress["done"] >= arguments["most"])
            lease_ms = LEASE_MS if clock.monotonic() < give_up else 0
            stage = await self._operations.advance(
                name, owner, lease_ms, Stage.DONE if over else Stage.RUNNING, progress
            )
            if not lease_ms:
                break
        return True

    async def _apply(
        self,
        verb: Verb,
        page: Page,
        wanted: Filter,
        arguments: Mapping[str, Any],
        progress: dict[str, Any],
    ) -> None:
        """Does it to these jobs, and counts."""
        progress["seen"] += len(page.jobs)
        if verb in (Verb.CHANGE, Verb.MOVE):
            for job in page.jobs:
                await self._apply_alone(verb, job, arguments, progress)
            return
        for number, ids in page.by_shard.items():
            for word in await self._done_at(number, verb, ids, wanted, arguments):
                progress["done" if word in _SAME else "skipped"] += 1

    async def _done_at(
        self, number: int, verb: Verb, ids: Sequence[str], wanted: Filter, arguments: Mapping[str, Any]
    ) -> list[str]:
        from jobd.store.edits import Change

        shard = self.store.shards[number]
        match verb:
            case Verb.RETRY:
                return await shard.retry(ids)
            case Verb.CANCEL:
                return await shard.cancel(ids, {"reason": arguments.get("reason", "cancelled on request")})
            case Verb.REMOVE:
                return await shard.delete(ids, wanted.states)
            case _:
                return await shard.change([Change(job_id, due="now") for job_id in ids])

    async def _apply_alone(self, verb: Verb, job: Job, arguments: Mapping[str, Any], progress: dict[str, Any]) -> None:
        if job.queue == arguments.get("to"):
            progress["skipped"] += 1
            return
        try:
            if verb is Verb.CHANGE:
                await self.change_to(job.id, from_record(arguments.get("changes", {})), fields=arguments.get("data"))
            else:
                await self.move_to(job.id, arguments["to"], reason=arguments.get("reason"))
            progress["done"] += 1
        except StoreError:
            raise
        except JobdError as error:
            progress["failed"] += 1
            if len(progress["errors"]) < _SAMPLE:
                progress["errors"].append({"id": job.id, "message": str(error)})

    def filter_of(self, which: JobFilter) -> Filter:
        """The filter that these words mean. Raises InvalidRequest."""
        wanted = make_filter(which)
        if wanted.type is None:
            return wanted
        found = self.catalog.find(wanted.type)
        return replace(wanted, type=found.name if found else same_name(wanted.type))

    def _meant(self, verb: Verb, which: JobFilter) -> Filter:
        wanted = self.filter_of(which)
        if not which.get("status"):
            return replace(wanted, states=MEANT[verb])
        if wrong := wanted.states - ALLOWED[verb]:
            raise refuse_states(verb, wrong)
        return wanted

    @property
    def _operations(self) -> Operations:
        from jobd.store.operations import Operations

        return Operations(self.store.shards[0])


def read_verb(word: str) -> Verb:
    """What is to be done. Raises InvalidRequest."""
    if word not in Verb._value2member_map_:
        raise InvalidRequest(f"there is no operation {word!r}; use one of {', '.join(Verb)}")
    return Verb(word)
