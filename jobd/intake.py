"""From what callers ask for to what the store takes in: the type is named, the payload checked, the options resolved,
the id made. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jobd import clock
from jobd.catalog import Catalog, unknown_type
from jobd.domain.delivery import ChangedQueues, NewJob
from jobd.domain.ids import looks_made, new_id
from jobd.domain.jobtype import JobType
from jobd.domain.lane_key import fields_in, filled, lane_key
from jobd.domain.levels import Levels
from jobd.domain.names import check_chosen_id, check_type_name, same_name
from jobd.domain.options import NONE, Options, from_record
from jobd.domain.payload import encode_json
from jobd.domain.plain_json import from_json
from jobd.domain.queue_options import BACKOFF
from jobd.domain.time_limits import TIMED
from jobd.domain.unique import Unique
from jobd.errors import InvalidRequest, OptionError, PayloadError, StateConflict
from jobd.store.codec import Spec, pack_head
from jobd.store.intake_words import WHOLE
from jobd.store.queue_rule import learn_queue
from jobd.store.unique_keys import pack_unique

if TYPE_CHECKING:
    from jobd.store.store import Store

UNCHANGED: Final = object()
"""the payload that stays as it is"""
LARGEST_PAYLOAD = 1_048_576
_NAMED = (JobType, str)
_TYPES_FRESH_S = 10.0
_TYPES_MISSED_S = 0.5
"""a name that is not among the known ones is asked for again after this long: its worker may just have started"""


class Request(NamedTuple):
    """One job that somebody asks for."""

    type: JobType[Any, Any] | str
    payload: object = None
    """a payload of the type, or plain values; None means no fields"""
    options: Options = NONE
    id: str | None = None
    """an id of the caller's own choice"""


class Planned(NamedTuple):
    """A request that has been checked, and the job that the store will take in."""

    new_job: NewJob
    type_name: str
    job_type: JobType[Any, Any] | None
    head: bytes
    """what comes before the payload in the job's spec, the same for many jobs"""
    unique: Unique | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """What a job has become, or another was made of it."""

    options: Options
    spec: bytes


class _Head(NamedTuple):
    """What options have become, for all jobs that say the same."""

    options: Options
    """all of them"""
    queue: str
    priority: int
    due: str
    unique: Unique | None
    packed: bytes
    """b'' if each of the jobs has one of its own, as what makes a job unique comes from its payload"""
    edition: str
    """of the options of their queue"""
    replicated: bool
    again: Callable[[NewJob, ChangedQueues], NewJob] | None
    """makes their jobs anew; None if each has a form of its own"""


@dataclass(slots=True)
class _Kind:
    """What is known of a type: here, or through workers that have its plugin."""

    name: str
    options: Options
    job_type: JobType[Any, Any] | None
    plain: _Head | None = None
    """for a job that says nothing of its own; to look that up among the heads takes as long as all else here"""
    heads: dict[Options, _Head] = field(default_factory=dict)
    """for options that will come again"""
    learnt: int = 0
    """what was known of the options of queues when the heads were made"""
    keyed_by_fields: bool = False
    """are its keys made of fields of the payload?"""

    def __post_init__(self) -> None:
        self.keyed_by_fields = bool(fields_in(self.options))


class _Homeless(LookupError):
    """It is not known yet where a queue lives."""

    def __init__(self, queue: str) -> None:
        super().__init__(queue)
        self.queue = queue


class Intake:
    """Checks requests against the catalog and the types that workers have made known."""

    def __init__(self, store: Store, catalog: Catalog, levels: Levels | None = None) -> None:
        self._store = store
        self._catalog = catalog
        self._levels = levels or Levels()
        self._kinds: dict[JobType[Any, Any] | str, _Kind] = {}
        self._told: dict[str, Any] = {}
        self._told_at = float("-inf")

    async def plan(self, requests: Iterable[Request], *, near: int | None = None, once: str = "") -> list[Planned]:
        """What the store will take in for these requests, all checked before anything is sent. Those that may be in any
        shard are in one, up to 1 000 of them: in `near`, or the one that the name `once` of all of them chooses. Raises
        UnknownJobType, PayloadError, OptionError; and StoreUnavailable if it has to ask where a queue lives."""
        planned: list[Planned] = []
        lot = near
        for request in requests:
            known = self._kinds.get(request.type) if isinstance(request.type, _NAMED) else None
            kind = known or await self._kind_of(request)
            if len(self._store.shards) == 1:
                planned.append(self._plan(kind, *request[1:]))
            else:
                if lot is None or (near is None and len(planned) % WHOLE == 0):
                    lot = clock.random_bits(16)
                planned.append(await self._plan_at_home(kind, request, lot, once))
        return planned

    def plan_at_once(
        self, job_type: JobType[Any, Any] | str, payload: object, options: Options, job_id: str | None
    ) -> Planned | None:
        """The same for one job, if all is known that it takes; None if something has to be looked up."""
        kind = self._kinds.get(job_type) if isinstance(job_type, _NAMED) else None
        return self._plan(kind, payload, options, job_id) if kind and len(self._store.shards) == 1 else None

    async def _plan_at_home(self, kind: _Kind, request: Request, lot: int, once: str) -> Planned:
        while True:
            try:
                return self._plan(kind, *request[1:], lot, once)
            except _Homeless as unknown:
                await self._store.home_of(unknown.queue)

    def _plan(
        self, kind: _Kind, payload: object, own: Options, job_id: str | None, lot: int = 0, once: str = ""
    ) -> Planned:
        if job_id is not None and looks_made(check_chosen_id(job_id)):
            raise OptionError(f"id {job_id!r}: ids of this shape are made by jobd; choose one that looks different")
        return self._planned(kind, own, _encoded(kind, payload), job_id, lot, once)

    def _planned(
        self, kind: _Kind, own: Options, payload: bytes, job_id: str | None, lot: int = 0, once: str = ""
    ) -> Planned:
        options, queue, priority, due, unique, head, edition, replicated, again = self._head(kind, own, payload)
        gives_data, unique_key, key = False, "", ""
        if unique is not None:
            unique_key = self._unique_key(kind, options, unique, payload)
            head = self._packed(kind, options, pack_unique(unique, unique_key))
            due, gives_data = _debounced(unique, own) or due, unique.gives_data
            again = partial(self._again, kind, own, len(head))
        if len(self._store.shards) > 1:
            key = placing_key(options, unique_key) or job_id or once
        if job_id is None:
            job_id = self._new_id(queue, key, lot)
        new_job = NewJob(
            job_id,
            queue,
            priority,
            due,
            head + payload,
            unique is not None,
            gives_data,
            replicated,
            edition,
            again,
            key,
        )
        return Planned(new_job, kind.name, kind.job_type, head, unique)

    def _again(self, kind: _Kind, own: Options, payload_at: int, job: NewJob, changes: ChangedQueues) -> NewJob:
        """The job that is made of the same request, now that these queues have other options. Raises OptionError, and
        StateConflict if it does not belong any more where it was sent."""
        for queue, (edition, options) in changes.items():
            self._levels.learn(queue, edition, from_record(options))
        made = self._planned(kind, own, job.spec[payload_at:], job.id).new_job
        home = self._store.home_known(made.queue) if len(self._store.shards) > 1 else None
        if home is not None and home.spread and made.key not in (job.key, job.id):
            raise StateConflict(
                f"jobs of queue {made.queue} have just become unique, and this one belongs into another shard for "
                "that; nothing was enqueued; try again"
            )
        return made._replace(key=job.key)

    async def unique_key(self, request: Request) -> tuple[str, str]:
        """The queue and the name of the unique key that a job would have. Raises as `plan` does, and OptionError if it
        would have none."""
        kind = await self._kind_of(request)
        queue = request.options.over(kind.options).queue or self._levels.defaults.queue or ""
        await learn_queue(self._store, self._levels, queue)
        options = self._resolved(kind, request.options)
        if not options.unique:
            raise OptionError(f"unique: a job of type {kind.name} that is enqueued like this is not unique")
        payload = b"{}" if options.unique.key is not None else _encoded(kind, request.payload)
        return options.queue or "", self._unique_key(kind, options, options.unique, payload)

    def _unique_key(self, kind: _Kind, options: Options, unique: Unique, payload: bytes) -> str:
        if unique.scope == "type" and len(self._store.shards) > 1:
            raise OptionError(
                'unique.scope: "type" needs all queues in one shard of the store, and this has several; use "queue"'
            )
        if unique.key is not None:
            return unique.key_of(kind.name, options.queue or "", {})
        if kind.job_type is None:
            return unique.key_of(kind.name, options.queue or "", from_json(payload))
        unique.check_fields(kind.name, kind.job_type.shape.fields)
        return unique.key_of(kind.name, options.queue or "", kind.job_type.values(payload))

    def _head(self, kind: _Kind, own: Options, payload: bytes) -> _Head:
        if kind.learnt != self._levels.changes or len(kind.heads) > 1_000:
            kind.heads.clear()
            kind.plain, kind.learnt = None, self._levels.changes
        if own is NONE and not kind.keyed_by_fields:
            if kind.plain is None:
                kind.plain = self._made_head(kind, own)
            return kind.plain
        if kind.keyed_by_fields:
            own = own.over(filled(kind.options, from_json(payload) or {}))
        if not own.recur:
            return self._made_head(kind, own)
        known = kind.heads.get(own)
        if known is None:
            known = kind.heads[own] = self._made_head(kind, own)
        return known

    def _made_head(self, kind: _Kind, own: Options) -> _Head:
        options = self._resolved(kind, own)
        edition, replicated = self._levels.edition(options.queue or ""), options.durability == "replica"
        asked = (options, options.queue or "", options.priority or 0, _due(options), options.unique or None)
        if options.unique:
            return _Head(*asked, b"", edition, replicated, None)
        packed = self._packed(kind, options)
        return _Head(*asked, packed, edition, replicated, partial(self._again, kind, own, len(packed)))

    def _resolved(self, kind: _Kind, own: Options) -> Options:
        # the backoff of a type or queue is looked up where the job runs; a job carries only one of its own
        backoff = own.backoff if kind.job_type is not None else own.backoff or kind.options.backoff
        return self._levels.resolve(own, kind.options).but(backoff=backoff)

    def _packed(self, kind: _Kind, options: Options, unique: str = "") -> bytes:
        of_queue = self._levels.shared(options.queue or "").backoff
        beside = {BACKOFF: of_queue.to_json()} if of_queue is not None and options.backoff is None else {}
        key, front = lane_key(options, kind.name), bool(options.front)
        return pack_head(kind.name, options, lane_key=key, unique=unique, front=front, beside=beside)

    async def change(self, spec: Spec, changes: Options, data: object = UNCHANGED, *, origin: str = "") -> Changed:
        """What a job becomes by these options and this payload, checked as `plan` does. Keys that its type makes of
        fields of the payload are made anew with a new payload; its unique key stays as it is, and another job that is
        made of it, under the id `origin`, has none. Raises PayloadError, OptionError."""
        if changes.unique is not None:
            raise OptionError("unique: a job keeps the unique key that it was enqueued with; it can be freed")
        kind = await self._kind_of(Request(spec.type, options=Options(queue=spec.options.queue)))
        payload, own = spec.payload, changes.over(spec.options.but(unique=None) if origin else spec.options)
        if data is not UNCHANGED:
            payload = _encoded(kind, data)
            if kind.keyed_by_fields:
                made = {key: None for key in fields_in(kind.options) if getattr(changes, key) is None}
                own = own.but(**made).over(filled(kind.options, from_json(payload) or {}))
        head = pack_head(
            spec.type,
            own,
            lane_key=lane_key(own, spec.type),
            front=bool(own.front),
            unique="" if origin else spec.unique,
            beside={**spec.beside, "origin": origin} if origin else spec.beside,
            # what nobody changes goes on to count from when it has counted from
            limits=None if origin or any(getattr(changes, name) is not None for name in TIMED) else spec.limits,
        )
        return Changed(own, head + payload)

    async def new_job_id(self, queue: str, key: str = "", near: int = 0) -> str:
        """An id for a job in this queue, whose `key` decides on its shard where that is spread; without one it comes to
        the shard `near`."""
        await self._store.home_of(queue)
        return self._new_id(queue, key, near)

    def _new_id(self, queue: str, key: str, lot: int) -> str:
        number, shards = 0, len(self._store.shards)
        if shards > 1:
            home = self._store.home_known(queue)
            if home is None:
                raise _Homeless(queue)
            its_number = home.shard(queue, key)
            number = lot % shards if its_number is None else its_number
        return new_id(clock.now_ms(), clock.random_bits, number)

    async def _kind_of(self, request: Request) -> _Kind:
        wanted = request.type
        if isinstance(wanted, JobType):
            kind = _Kind(wanted.name, wanted.options, wanted)
        elif not isinstance(wanted, str):
            raise InvalidRequest(f"type: {wanted!r} is neither a job type nor the name of one")
        elif job_type := self._catalog.find(wanted):
            kind = _Kind(job_type.name, job_type.options, job_type)
        else:
            return await self._kind_elsewhere(wanted, request.options.queue is not None)
        if wanted in (kind.name, kind.job_type):  # and not each of its spellings
            self._kinds[wanted] = kind
        return kind

    async def _kind_elsewhere(self, name: str, queue_is_named: bool) -> _Kind:
        """A type whose plugin is not installed here. One that no worker has made known is taken only with a queue, in
        which it waits for a worker that knows it."""
        age = clock.monotonic() - self._told_at
        if age > _TYPES_FRESH_S or (age > _TYPES_MISSED_S and same_name(name) not in self._told):
            self._told = {
                same_name(known): (known, facts) for known, facts in (await self._store.known_types()).items()
            }
            self._told_at = clock.monotonic()
        if found := self._told.get(same_name(name)):
            known, facts = found
            return _Kind(known, from_record(facts), None)
        if queue_is_named:
            return _Kind(check_type_name(name), NONE, None)
        names = [job_type.name for job_type in self._catalog.types.values()]
        raise unknown_type(name, [*names, *(known for known, _ in self._told.values())])


def placing_key(options: Options, unique_key: str = "") -> str:
    """What decides on the shard of a job in a queue that is spread, so that those are together that it concerns: its
    ordering key, or else its group, or else its unique key; '' if it has none of these."""
    if options.ordering_key is not None:
        return f"o/{options.ordering_key}"
    return f"g/{options.group}" if options.group is not None else unique_key and f"u/{unique_key}"


def told_facts(job_type: JobType[Any, Any]) -> dict[str, Any]:
    """What workers make known of a type to those who do not have its plugin."""
    return {**job_type.options.to_record(), "description": job_type.description.partition("\n")[0]}


def _encoded(kind: _Kind, payload: object) -> bytes:
    if kind.job_type is not None:
        raw = kind.job_type.encode(payload)
    else:
        raw = encode_json({} if payload is None else payload, kind.name)
        if not raw.startswith(b"{"):
            raise PayloadError(f"the payload of {kind.name} is not an object of named fields")
    if len(raw) > LARGEST_PAYLOAD:
        raise PayloadError(
            f"the payload of {kind.name} has {len(raw):,} bytes, and {LARGEST_PAYLOAD:,} are allowed; keep large data "
            "elsewhere and pass where it is"
        )
    return raw


def _debounced(unique: Unique, own: Options) -> str:
    if unique.mode != "debounce":
        return ""
    if own.delay_ms or own.run_at_ms is not None:
        raise OptionError("unique: a debounced job is delayed by its period; give no delay and no run_at with it")
    return f"+{unique.period_ms}"


def _due(options: Options) -> str:
    if options.run_at_ms is not None:
        return str(options.run_at_ms)
    return f"+{options.delay_ms}" if options.delay_ms else ""
