"""The body that enqueues a job: from its JSON to a job that is checked and ready to be sent."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from jobd import clock
from jobd.client import Client
from jobd.domain.ids import looks_made
from jobd.domain.names import check_chosen_id
from jobd.domain.options import ROWS, Level, Options, Row, clash_of, clashes, put_together, row_at
from jobd.domain.payload import Written
from jobd.domain.plain_json import named
from jobd.domain.queue_options import changes_of
from jobd.errors import FieldFault, InvalidRequest, OptionError, PayloadError, UnknownJobType
from jobd.http.json_text import escaped
from jobd.http.refusals import UnknownType
from jobd.intake import Planned, Request

MOST_JOBS: Final = 1_000


async def plan_job(client: Client, body: Mapping[str, Any], once: str = "", *, near: int | None = None) -> Planned:
    """The job that this body asks for, in a request of the name `once` if it has one. Raises InvalidRequest with the
    pointer of each wrong field, or UnknownType."""
    request = read_request(body)
    try:
        return (await client.intake.plan([request], near=near, once=once))[0]
    except PayloadError as error:
        raise wrong_data(error) from None
    except UnknownJobType as error:
        raise UnknownType(str(error), [_fault("/type", "unknown_type", str(error))]) from None
    except OptionError as error:
        # what is left: names of types that nobody knows, keys that limit nothing, the size of tags and metadata
        word = str(error).partition(":")[0]
        field = ROWS[word].wire if word in ROWS else "type" if word.startswith("job type") else "metadata"
        word = "job type" if field == "type" else word if word in ROWS else "metadata"
        raise _wrong([_fault(f"/{field}", "invalid", _without_label(error, word))]) from None


def wrong_data(error: PayloadError) -> InvalidRequest:
    """The error of a payload as one of the body that it came in."""
    faults = [_below("/data", fault) for fault in error.faults]
    return _wrong(faults or [_fault("/data", "invalid", str(error))])


async def plan_jobs(client: Client, body: Mapping[str, Any], once: str = "") -> list[Planned]:
    """The jobs that a batch asks for. Raises InvalidRequest with the pointers of all wrong fields of all jobs."""
    items = body.get("jobs")
    if not isinstance(items, list) or len(body) != 1:
        raise _wrong(_envelope_faults(body))
    if not 1 <= len(items) <= MOST_JOBS:
        raise _wrong(
            [_fault("/jobs", "out_of_range", f"a batch has 1 to {MOST_JOBS:,} jobs, and this has {len(items):,}")]
        )
    planned, faults, kinds = [], [], set()
    near = clock.random_bits(16)  # all in one shard, where any will do: all or none
    for index, item in enumerate(items):
        try:
            if not isinstance(item, dict):
                raise InvalidRequest("", [_fault("", "wrong_type", f"this is {named(item)}, not an object")])
            planned.append(await plan_job(client, item, once, near=near))
        except InvalidRequest as error:
            kinds.add(type(error))
            faults += [_below(f"/jobs/{index}", fault) for fault in error.faults]
    if faults:
        wrong = len(items) - len(planned)
        kind = kinds.pop() if len(kinds) == 1 else InvalidRequest
        raise kind(f"{wrong} of {len(items)} jobs cannot be taken, so none was: {_spoken(faults)}", faults)
    return planned


def read_request(body: Mapping[str, Any]) -> Request:
    """What a body asks for, before its payload is looked at. Raises InvalidRequest with the pointer of each wrong
    field."""
    options, faults = _read_options(body, ("type", "data", "id"))
    type_name, job_id = body.get("type"), body.get("id")
    if not isinstance(type_name, str):
        faults.append(
            _fault("/type", "missing", "this field is required: the name of a job type")
            if type_name is None
            else _fault("/type", "wrong_type", f"the name of a job type is a text, not {named(type_name)}")
        )
    if job_id is not None and (fault := _id_fault(job_id)):
        faults.append(fault)
    if faults or not isinstance(type_name, str):
        raise _wrong(faults)
    data = body.get("data")
    payload = None if data is None else Written(orjson.dumps(data))
    return Request(type_name, payload, put_together(options), job_id)


def read_changes(body: Mapping[str, Any], *beside: str) -> Options:
    """The options in a body that changes a job, with these fields beside them. Raises InvalidRequest with the pointer
    of each wrong field."""
    options, faults = _read_options(body, beside)
    if "id" in beside and body.get("id") is not None and (fault := _id_fault(body["id"])):
        faults.append(fault)
    if faults:
        raise _wrong(faults)
    return put_together(options)


def read_queue_changes(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a body wants a queue to say of its jobs (domain/queue_options.py); null takes an option back. Raises
    InvalidRequest with the pointer of each wrong field."""
    options, faults = _read_options(body, (), Level.QUEUE)
    if faults:
        raise _wrong(faults)
    back = {_WIRE[Level.QUEUE][name].field for name, value in body.items() if value is None}
    return changes_of(put_together(options), back)


def _read_options(
    body: Mapping[str, Any], beside: Sequence[str], level: Level = Level.JOB
) -> tuple[dict[str, Any], list[FieldFault]]:
    """The options that a body says, by keyword, and what is wrong with it."""
    wire = _WIRE[level]
    options: dict[str, Any] = {}
    said: list[str] = []
    faults: list[FieldFault] = []
    for name, value in body.items():
        if row := wire.get(name):
            if value is not None:
                said.append(row.keyword)
                try:
                    options[row.keyword] = row.from_json(value)
                except OptionError as error:
                    faults.append(_fault(f"/{name}", "invalid", _without_label(error, row.keyword)))
        elif name not in beside:
            faults.append(_not_there(name, level) or unknown_field(name, (*beside, *wire)))
    if len(said) > 1:
        for row, other in clashes(said):
            clash = clash_of(row.wire, other.wire, same=row.field == other.field)
            faults.append(_fault(f"/{other.wire}", "excluded", clash))
    return options, faults


def _not_there(name: str, level: Level) -> FieldFault | None:
    """The fault of an option that others have than these; None if there is no such option at all."""
    row = next((row for row in ROWS.values() if row.wire == name and level not in row.levels), None)
    if row is None:
        return None
    try:
        row_at(row.keyword, level)
    except OptionError as error:
        return _fault(f"/{name}", "unknown_field", _without_label(error, row.keyword))
    return None


def unknown_field(name: str, known: Sequence[str]) -> FieldFault:
    """The fault of a field that does not exist, with what was perhaps meant."""
    word = name[:64].lower()
    near = [_MEANT[word]] if _MEANT.get(word) in known else difflib.get_close_matches(word, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return _fault(f"/{escaped(name)}", "unknown_field", f"there is no such field{hint}")


_WIRE: Final[Mapping[Level, Mapping[str, Row]]] = {
    level: {row.wire: row for row in ROWS.values() if level in row.levels} for level in (Level.JOB, Level.QUEUE)
}
"""the fields of options, by who says them"""
_MEANT: Final = {
    "payload": "data",
    "args": "data",
    "kwargs": "data",
    "params": "data",
    "name": "type",
    "task": "type",
    "job_type": "type",
    "job_id": "id",
    "eta": "run_at",
    "scheduled_at": "run_at",
    "attempts": "max_attempts",
} | {row.keyword: wire for wire, row in _WIRE[Level.JOB].items() if row.keyword != wire}
"""words of other systems, and of our own elsewhere"""


def _id_fault(job_id: object) -> FieldFault | None:
    if not isinstance(job_id, str):
        return _fault("/id", "wrong_type", f"an id is a text, not {named(job_id)}")
    try:
        if not looks_made(check_chosen_id(job_id)):
            return None
    except OptionError as error:
        return _fault("/id", "invalid", _without_label(error, "id"))
    return _fault("/id", "invalid", "ids of this shape are made by jobd; choose one that looks different")


# --- faults ------------------------------------------------------------------------------------------------------


def _fault(pointer: str, code: str, message: str) -> FieldFault:
    return FieldFault(pointer=pointer, code=code, message=message)


def _without_label(error: OptionError, label: str) -> str:
    """What an error says of an option, without the name in front, which the pointer says already."""
    said = str(error)
    bare = said.removeprefix(label)
    return bare.lstrip(" .:") if bare[:1] in (" ", ".", ":") else said


def _below(prefix: str, fault: FieldFault) -> FieldFault:
    return FieldFault(pointer=prefix + fault["pointer"], code=fault["code"], message=fault["message"])


def _envelope_faults(body: Mapping[str, Any]) -> list[FieldFault]:
    faults = [unknown_field(name, ("jobs",)) for name in body if name != "jobs"]
    if not isinstance(body.get("jobs"), list):
        code = "wrong_type" if body.get("jobs") is not None else "missing"
        faults.append(_fault("/jobs", code, "this field is required: a list of jobs"))
    return faults


def _wrong(faults: Sequence[FieldFault]) -> InvalidRequest:
    count = "one field is" if len(faults) == 1 else f"{len(faults)} fields are"
    return InvalidRequest(f"{count} wrong: {_spoken(faults)}", faults)


def _spoken(faults: Sequence[FieldFault]) -> str:
    said = "; ".join(f"{fault['pointer'] or 'the whole'}: {fault['message']}" for fault in faults[:5])
    return f"{said}; and {len(faults) - 5} more" if len(faults) > 5 else said
