"""The body that enqueues a job: from its JSON to a job that is checked and ready to be sent."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from jobd.client import Client
from jobd.domain.duration import milliseconds
from jobd.domain.ids import looks_made
from jobd.domain.names import check_chosen_id
from jobd.domain.options import NONE, make_options
from jobd.errors import FieldFault, InvalidRequest, OptionError, PayloadError, UnknownJobType
from jobd.http.body import named
from jobd.http.json_text import escaped
from jobd.http.refusals import UnknownType
from jobd.http.wire import parse_time
from jobd.intake import Planned, Request

MOST_JOBS: Final = 1_000


async def plan_job(client: Client, body: Mapping[str, Any]) -> Planned:
    """The job that this body asks for. Raises InvalidRequest with the pointer of each wrong field, or UnknownType."""
    request = read_request(body)
    try:
        return (await client.intake.plan([request]))[0]
    except PayloadError as error:
        faults = [_below("/data", fault) for fault in error.faults]
        raise _wrong(faults or [_fault("/data", "invalid", str(error))]) from None
    except UnknownJobType as error:
        raise UnknownType(str(error), [_fault("/type", "unknown_type", str(error))]) from None
    except OptionError as error:
        # what is left to it: the name of a type that nobody knows, and the size of tags and metadata
        field, word = ("type", "job type") if str(error).startswith("job type") else ("metadata", "metadata")
        raise _wrong([_fault(f"/{field}", "invalid", _without_label(error, word))]) from None


async def plan_jobs(client: Client, body: Mapping[str, Any]) -> list[Planned]:
    """The jobs that a batch asks for. Raises InvalidRequest with the pointers of all wrong fields of all jobs."""
    items = body.get("jobs")
    if not isinstance(items, list) or len(body) != 1:
        raise _wrong(_envelope_faults(body))
    if not 1 <= len(items) <= MOST_JOBS:
        raise _wrong(
            [_fault("/jobs", "out_of_range", f"a batch has 1 to {MOST_JOBS:,} jobs, and this has {len(items):,}")]
        )
    planned, faults, kinds = [], [], set()
    for index, item in enumerate(items):
        try:
            if not isinstance(item, dict):
                raise InvalidRequest("", [_fault("", "wrong_type", f"this is {named(item)}, not an object")])
            planned.append(await plan_job(client, item))
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
    options: dict[str, Any] = {}
    faults: list[FieldFault] = []
    for name, value in body.items():
        if name in _OPTIONS:
            if value is not None:
                keyword, read = _OPTIONS[name]
                try:
                    options[keyword] = read(value)
                except OptionError as error:
                    faults.append(_fault(f"/{name}", "invalid", str(error)))
        elif name not in ("type", "data", "id"):
            faults.append(unknown_field(name, _FIELDS))
    type_name, job_id = body.get("type"), body.get("id")
    if not isinstance(type_name, str):
        faults.append(
            _fault("/type", "missing", "this field is required: the name of a job type")
            if type_name is None
            else _fault("/type", "wrong_type", f"the name of a job type is a text, not {named(type_name)}")
        )
    if job_id is not None and (fault := _id_fault(job_id)):
        faults.append(fault)
    made = NONE
    if options:
        try:
            made = make_options(**options)
        except OptionError as error:
            faults += _option_faults(body, options, error)
    if faults or not isinstance(type_name, str):
        raise _wrong(faults)
    return Request(type_name, body.get("data"), made, job_id)


def unknown_field(name: str, known: Sequence[str]) -> FieldFault:
    """The fault of a field that does not exist, with what was perhaps meant."""
    word = name[:64].lower()
    near = [_MEANT[word]] if _MEANT.get(word) in known else difflib.get_close_matches(word, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return _fault(f"/{escaped(name)}", "unknown_field", f"there is no such field{hint}")


# --- options -----------------------------------------------------------------------------------------------------


def _as_it_is(value: Any) -> Any:
    return value


def _duration(value: Any, *, least: int = 0) -> float:
    """In seconds. Numbers are milliseconds here, and the sentences say so."""
    try:
        if isinstance(value, str):
            return milliseconds(value, least=least) / 1_000
        if isinstance(value, int) and not isinstance(value, bool):
            return milliseconds(value / 1_000, least=least) / 1_000
    except (OptionError, OverflowError):
        raise OptionError(
            f"{value!r} is neither a number of milliseconds from {least} to ten years nor a text such as 5s, 10m, 1h30m"
        ) from None
    raise OptionError(f"this is {named(value)}, not a whole number of milliseconds")


def _timeout(value: Any) -> float:
    return _duration(value, least=1)


def _priority(value: Any) -> int | str:
    if isinstance(value, int | str):
        return value
    raise OptionError(f"this is {named(value)}, neither a number from 1 to 10 nor a name")


def _backoff(value: Any) -> Any:
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        return _duration(value)
    raise OptionError(f"this is {named(value)}, not an object with kind, base_ms, cap_ms and jitter")


def _tags(value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(tag, str) for tag in value):
        return value
    raise OptionError("this is not a list of texts")


def _run_at(value: Any) -> Any:
    try:
        return parse_time(value)
    except ValueError as error:
        raise OptionError(str(error)) from None


_OPTIONS: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "queue": ("queue", _as_it_is),
    "priority": ("priority", _priority),
    "delay_ms": ("delay", _duration),
    "run_at": ("run_at", _run_at),
    "max_attempts": ("max_attempts", _as_it_is),
    "retries": ("retries", _as_it_is),
    "backoff": ("backoff", _backoff),
    "timeout_ms": ("timeout", _timeout),
    "tags": ("tags", _tags),
    "metadata": ("metadata", _as_it_is),
}
"""field → the keyword of make_options, and how its value is read"""
_FIELDS: Final = ("type", "data", "id", *_OPTIONS)
_EXCLUSIVE: Final = (("delay_ms", "run_at"), ("max_attempts", "retries"))
_MEANT: Final = {
    "payload": "data",
    "args": "data",
    "kwargs": "data",
    "params": "data",
    "name": "type",
    "task": "type",
    "job_type": "type",
    "job_id": "id",
    "delay": "delay_ms",
    "eta": "run_at",
    "scheduled_at": "run_at",
    "timeout": "timeout_ms",
    "attempts": "max_attempts",
}
"""words of other systems"""


def _option_faults(body: Mapping[str, Any], options: Mapping[str, Any], error: OptionError) -> list[FieldFault]:
    """All wrong options; `error` is the first that was found."""
    faults = []
    for name, (keyword, _) in _OPTIONS.items():
        if keyword in options:
            try:
                make_options(**{keyword: options[keyword]})
            except OptionError as fault:
                faults.append(_fault(f"/{name}", "invalid", _without_label(fault, keyword)))
    for one, other in _EXCLUSIVE:
        if body.get(one) is not None and body.get(other) is not None:
            faults.append(_fault(f"/{other}", "excluded", f"{one} and {other} exclude each other; give one"))
    return faults or [_fault("", "invalid", str(error))]


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
