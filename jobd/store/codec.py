"""Packed records: a job's spec and its run record, as the scripts know them (lua/lib/spec.lua, lua/lib/run.lua)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import orjson

from jobd.domain.delivery import Delivery
from jobd.domain.duration import spoken
from jobd.domain.job import Attempt, Job, moment
from jobd.domain.lane_key import IN_KEY, read_lane_key
from jobd.domain.options import BY_FIELD, Options
from jobd.domain.outcome import Ending
from jobd.domain.plain_json import from_json
from jobd.domain.state import State
from jobd.domain.time_limits import NO_PLAN, PlannedLimits
from jobd.errors import OptionError, StoreRefused
from jobd.store.own_options import check_options, checked_options, own_options, shown_options
from jobd.store.past import attempt_of, error_of, progress_of, reason_of

VERSION = 1
LETTERS: Mapping[State, str] = {
    State.WAITING: "w",
    State.DELAYED: "d",
    State.BLOCKED: "b",
    State.ACTIVE: "a",
    State.COMPLETED: "c",
    State.FAILED: "f",
    State.CANCELLED: "x",
}
STATES: Mapping[str, State] = {letter: state for state, letter in LETTERS.items()}
_STATE_OF_BYTE = {letter.encode(): state for letter, state in STATES.items()}

IN_HEAD = frozenset({"queue", "priority", "max_attempts", "timeout_ms", "front", "durability", "rate_weight"}) | IN_KEY
"""options that have a place of their own in a spec, or have had their effect when the job is taken in; the others are
JSON behind them"""
LARGEST_OPTIONS = 64 * 1024
LONGEST_TIMEOUT_MS = 2**32 - 1

_REST = struct.Struct(">BBBHIIBB")  # the part of a spec's head that its producer packs
_SPEC = struct.Struct(">BdBBBHIIBB")
_RUN = struct.Struct(">BcBBHHddddBB")
_HANDED_OVER = struct.Struct(">xxBBHHdd16xBx")  # what of it every delivery has
_WAS_DUE = struct.Struct(">24xdd")  # when it ended last, and when it was due
_LIMITS = struct.Struct(">dddd")
_KEYED, _FRONT, _LIMITED, _KEPT = 1, 2, 4, 8
_SUSPECT, _CANCEL_ASKED, _HOLDS, _BY_HAND = 1, 2, 16, 32


def pack_head(
    job_type: str,
    options: Options,
    *,
    lane_key: str = "",
    unique: str = "",
    front: bool = False,
    beside: Mapping[str, Any] = MappingProxyType({}),
    limits: PlannedLimits | None = None,
) -> bytes:
    """What comes before the payload in a spec, and is the same for all jobs of one type with the same options.
    `options` are complete; `lane_key` names the gates that the job passes (lua/lib/gates.lua), `unique` what makes it
    unique, `front` puts it before the others of its lane; `beside` is kept with the options; `limits` are
    given where they do not follow from the options. Raises OptionError: too large metadata, too long a timeout."""
    queue, name, more = (options.queue or "").encode(), job_type.encode(), _pack_more(options, beside)
    if (options.timeout_ms or 0) > LONGEST_TIMEOUT_MS:
        raise OptionError(f"timeout: {spoken(options.timeout_ms or 0)} is too long; it may be up to 49 days, or none")
    weight = options.rate_weight if (options.rate_weight or 1) > 1 else ""
    keys = f"{lane_key} {unique} {weight}".rstrip().encode() if lane_key or unique or weight else b""
    packed_limits = _pack_limits(options, limits or PlannedLimits.of(options))
    head = _REST.pack(
        (_KEYED if keys else 0)
        | (_FRONT if front else 0)
        | (_LIMITED if packed_limits else 0)
        | (_KEPT if options.keep_completed or options.keep_failed else 0),
        0,
        options.priority or 0,
        options.max_attempts or 1,
        _watched_ms(options),
        len(more),
        len(queue),
        len(name),
    )
    return b"".join((head, queue, name, len(keys).to_bytes(2) + keys if keys else b"", packed_limits, more))


def _watched_ms(options: Options) -> int:
    """How long the store hears nothing of an attempt before it takes it away: its heartbeat, or all of its time."""
    limits = [ms for ms in (options.timeout_ms, options.heartbeat_timeout_ms) if ms]
    return min(limits, default=0)


def _pack_limits(options: Options, planned: PlannedLimits | None) -> bytes:
    planned = planned or (NO_PLAN if options.heartbeat_timeout_ms else None)
    if planned is None:
        return b""
    return _LIMITS.pack(planned.expires_ms, planned.deadline_ms, planned.queue_timeout_ms, planned.ready_ms)


def _pack_more(options: Options, beside: Mapping[str, Any]) -> bytes:
    more = {**beside, **{name: value for name, value in options.to_record(IN_HEAD).items() if value}}
    if options.heartbeat_timeout_ms:
        more["timeout_ms"] = options.timeout_ms or 0  # in the head is the shorter of the two
    if not more:
        return b""
    try:
        packed = orjson.dumps(more)
    except TypeError as error:
        raise OptionError(f"metadata: not made of JSON values: {error}") from error
    if len(packed) > LARGEST_OPTIONS:
        raise OptionError(f"tags and metadata: {len(packed)} bytes are too many; {LARGEST_OPTIONS} are allowed")
    return packed


UNREADABLE = "(its record cannot be read)"
"""stands for the type of a job that nobody here can tell"""
_UNREADABLE = (struct.error, ValueError, LookupError, TypeError, OverflowError, OptionError)
"""what comes of reading a record that is damaged, or that somebody else has written"""


def unpack_deliveries(ids: Sequence[bytes], specs: Sequence[bytes], runs: Sequence[bytes]) -> list[Delivery]:
    """The deliveries that a script handed over together, each as `unpack_delivery` has it."""
    try:
        return list(map(_unpack_delivery, ids, specs, runs))
    except (*_UNREADABLE, StoreRefused):
        return list(map(unpack_delivery, ids, specs, runs))


def unpack_delivery(job_id: bytes, spec: bytes, run: bytes) -> Delivery:
    """The delivery that a script handed over. That of a record that is damaged, or newer than this jobd, or has an
    option in a form that is none here, can be settled or given back, and nothing else: it says why."""
    try:
        return _unpack_delivery(job_id, spec, run)
    except (*_UNREADABLE, StoreRefused) as error:
        most = int.from_bytes(spec[12:14]) or 1  # in all versions it stands there
        _, _, flags, crashes, attempt, deliveries, fence, started, _, _, size, _ = _RUN.unpack_from(run)
        holder, suspect = run[42 : 42 + size].decode(errors="replace"), flags & _SUSPECT != 0
        told = (UNREADABLE, "", b"", b"", 10, most, 0, 0.0, attempt, deliveries, crashes, suspect, int(fence), started)
        return Delivery(job_id.decode(errors="replace"), *told, holder, unreadable=_why(error))


def _why(error: Exception) -> str:
    """Why a record cannot be read, and what to do."""
    if isinstance(error, OptionError):
        return (
            f"this worker cannot read an option of the job: {error}. If a newer jobd wrote it, update the workers and "
            "retry the job; else delete it, and enqueue it anew"
        )
    return str(error) if isinstance(error, StoreRefused) else "the record of the job is damaged; it can only be deleted"


def _unpack_delivery(job_id: bytes, spec: bytes, run: bytes) -> Delivery:
    version, created, marks, _, priority, most, timeout, more, queue_size, type_size = _SPEC.unpack_from(spec)
    flags, crashes, attempt, deliveries, fence, started, holder_size = _HANDED_OVER.unpack_from(run)
    if version != VERSION:
        raise _newer(version)
    type_at = 24 + queue_size
    more_at = keys_at = type_at + type_size
    limits, lane_key = None, ""
    if marks & _KEYED:
        more_at += 2 + int.from_bytes(spec[keys_at : keys_at + 2])
        lane_key = spec[keys_at + 2 : more_at].decode().partition(" ")[0]
    if marks & _LIMITED:
        planned = PlannedLimits(*_LIMITS.unpack_from(spec, more_at))
        more_at += _LIMITS.size
        own = checked_options(spec[more_at : more_at + more])
        timeout = timeout if own.timeout_ms is None else own.timeout_ms
        limits = planned.begun(
            created,
            started_before=deliveries > 1,
            by_hand=flags & _BY_HAND != 0,
            since_ms=max(_WAS_DUE.unpack_from(run)),
            heartbeat=own.heartbeat_timeout_ms or 0,
        )
    elif more:
        check_options(spec[more_at : more_at + more])
    payload_at = more_at + more
    return Delivery(
        job_id.decode(),
        spec[type_at:keys_at].decode(),
        spec[24:type_at].decode(),
        spec[payload_at:],
        spec[more_at:payload_at],
        priority,
        most,
        timeout,
        created,
        attempt,
        deliveries,
        crashes,
        flags & _SUSPECT != 0,
        int(fence),
        started,
        run[42 : 42 + holder_size].decode(),
        limits,
        lane_key,
    )


@dataclass(frozen=True, slots=True)
class Spec:
    """What a job is, whatever becomes of it."""

    type: str
    options: Options
    """all that it has"""
    payload: bytes
    unique: str
    """what makes it unique, as its record has it"""
    beside: Mapping[str, Any]
    """what is kept with the options: `origin`, the id of the job it was made from, and what a newer jobd has added"""
    limits: PlannedLimits | None


def unpack_spec(spec: bytes) -> Spec:
    """What a record says that `pack_head` and a payload made."""
    version, _, marks, _, priority, most, timeout, more_size, queue_size, type_size = _SPEC.unpack_from(spec)
    if version != VERSION:
        raise _newer(version)
    type_at = 24 + queue_size
    more_at = keys_at = type_at + type_size
    lane_key, unique, weight, limits = "", "", None, None
    if marks & _KEYED:
        more_at += 2 + int.from_bytes(spec[keys_at : keys_at + 2])
        lane_key, unique, weight = _keys(spec[keys_at + 2 : more_at])
    if marks & _LIMITED:
        limits = PlannedLimits(*_LIMITS.unpack_from(spec, more_at))
        more_at += _LIMITS.size
    packed = spec[more_at : more_at + more_size]
    own = own_options(packed)
    in_head: dict[str, Any] = {
        "queue": spec[24:type_at].decode(),
        "priority": priority,
        "max_attempts": most,
        "timeout_ms": timeout if own.timeout_ms is None else own.timeout_ms,
        "front": True if marks & _FRONT else None,
        "rate_weight": weight,
        **read_lane_key(lane_key),
    }
    return Spec(
        spec[type_at:keys_at].decode(),
        own.but(**in_head),
        spec[more_at + more_size :],
        unique,
        {name: said for name, said in orjson.loads(packed or b"{}").items() if name not in BY_FIELD},
        limits,
    )


def _keys(packed: bytes) -> tuple[str, str, int | None]:
    """The lane key of a job, what makes it unique, and what it counts against rates, if that is said."""
    lane_key, unique, weight, *_ = [*packed.decode().split(" "), "", ""]
    return lane_key, unique, int(weight) if weight else None


def unpack_job(job_id: str, spec: bytes, run: bytes, result: bytes, progress: bytes) -> Job:
    """A job as it reads back. Raises StoreRefused if its record is damaged, or newer than this jobd."""
    try:
        return _unpack_job(job_id, spec, run, result, progress)
    except _UNREADABLE as error:
        raise StoreRefused(f"the record of job {job_id} is damaged; it can only be deleted") from error


def _unpack_job(job_id: str, spec: bytes, run: bytes, result: bytes, progress: bytes) -> Job:
    version, created, marks, _, priority, most, timeout, more_size, queue_size, type_size = _SPEC.unpack_from(spec)
    if version != VERSION:
        raise _newer(version)
    type_at = 24 + queue_size
    more_at = keys_at = type_at + type_size
    said: dict[str, Any] = {"front": True} if marks & _FRONT else {}
    unique = ""
    if marks & _KEYED:
        more_at += 2 + int.from_bytes(spec[keys_at : keys_at + 2])
        key, unique, weight = _keys(spec[keys_at + 2 : more_at])
        said |= read_lane_key(key)
        if weight:
            said["rate_weight"] = weight
    if marks & _LIMITED:
        more_at += _LIMITS.size
    payload_at = more_at + more_size
    packed = spec[more_at:payload_at]
    more = shown_options(packed)  # whatever keeps it from being run
    if said:
        more = replace(more, **said)
    planned = more.run_at_ms or created + (more.delay_ms or 0)
    known: dict[str, Any] = {
        "id": job_id,
        "type": spec[type_at:keys_at].decode(),
        "queue": spec[24:type_at].decode(),
        "data": _json(spec[payload_at:]),
        "priority": priority,
        "max_attempts": most,
        "timeout_ms": timeout if more.timeout_ms is None else more.timeout_ms,
        "options": more,
        "created_at": moment(created),
        "run_at": moment(max(planned, created)),
        "unique_key": unique.partition(":")[0] or None,
        "origin": orjson.loads(packed).get("origin") if b'"origin"' in packed else None,
    }
    if not run:
        return Job(**known, status=State.WAITING, attempt=0, deliveries=0)
    return Job(**(known | _unpack_run(run, result, progress)))


def delivery_under_way(run: bytes) -> tuple[int, bool]:
    """By its run record: the fence of the delivery of a job that stands (0: none does, or the record is damaged), and
    is it to be cancelled?"""
    try:
        _, letter, flags, _, _, _, fence, *_ = _RUN.unpack_from(run)
        stands = _STATE_OF_BYTE[letter] is State.ACTIVE
        return int(fence) if stands else 0, stands and bool(flags & _CANCEL_ASKED)
    except _UNREADABLE:
        return 0, False


def _unpack_run(run: bytes, result: bytes, progress: bytes) -> dict[str, Any]:
    _, letter, flags, _, attempt, deliveries, _, started, finished, due, holder_size, queue_size = _RUN.unpack_from(run)
    state = _STATE_OF_BYTE[letter]
    holder = run[42 : 42 + holder_size].decode()
    history_at = 42 + holder_size + queue_size
    if flags & _HOLDS:
        history_at += 2 + int.from_bytes(run[history_at : history_at + 2])
    history = [orjson.loads(line) for line in run[history_at:].split(b"\n") if line]
    tried = [line for line in history if "number" in line]
    attempts = [attempt_of(line) for line in tried]
    if state is State.ACTIVE:
        attempts.append(Attempt(number=attempt, worker=holder, started_at=moment(started)))
    elif state is State.COMPLETED:
        attempts.append(
            Attempt(
                number=attempt,
                worker=holder,
                started_at=moment(started),
                finished_at=moment(finished),
                outcome=Ending.RETURNED,
            )
        )
    ended = state in (State.COMPLETED, State.FAILED, State.CANCELLED)
    unlucky = state is not State.COMPLETED
    asked = flags & _CANCEL_ASKED != 0 and state is not State.CANCELLED
    known: dict[str, Any] = {
        "status": state,
        "attempt": attempt,
        "deliveries": deliveries,
        "started_at": moment(started) if started else None,
        "finished_at": moment(finished) if ended else None,
        "worker": holder if state is State.ACTIVE else None,
        "progress": progress_of(progress) if progress else None,
        "result": _json(result) if result and state is State.COMPLETED else None,
        "error": error_of(history) if unlucky else None,
        "reason": reason_of(history) if unlucky or asked else None,
        "cancel_requested": asked,
        "moved_to": next((line["moved_to"] for line in reversed(history) if "moved_to" in line), None),
        "attempts": tuple(attempts),
    }
    if due:
        known["run_at"] = moment(due)
    return known


def _json(raw: bytes) -> Any:
    value = from_json(raw) if raw else None
    if value is None and raw not in (b"", b"null"):
        # stored by an older or foreign hand: shown as text rather than hiding the job
        return raw.decode(errors="replace")
    return value


def _newer(version: int) -> StoreRefused:
    return StoreRefused(f"a job's record has version {version}, and this jobd knows {VERSION}; update it")
