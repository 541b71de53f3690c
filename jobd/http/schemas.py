"""What bodies, queries and answers look like, in JSON Schema. What has a table of its own (options, limits, states) is
taken from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jobd.domain.limits import LIMITS
from jobd.domain.operation import Stage, Verb
from jobd.domain.options import ROWS, Level
from jobd.domain.outcome import Ending
from jobd.domain.reason import Cause
from jobd.domain.shard_facts import MOST_SHARDS
from jobd.domain.state import State
from jobd.http.enqueue_body import MOST_JOBS
from jobd.http.fields import LONGEST_TEXT
from jobd.store.queries import MOST_ON_PAGE

Schema = Mapping[str, Any]

ANY: Final[Schema] = {}
TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "integer"}
YES: Final[Schema] = {"type": "boolean"}
OBJECT: Final[Schema] = {"type": "object"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def list_of(schema: Schema) -> Schema:
    """A list of these."""
    return {"type": "array", "items": schema}


def ref(name: str) -> Schema:
    """The component of this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def words(values: Any) -> Schema:
    """One of these words."""
    return {"type": "string", "enum": [str(value) for value in values]}


def told(**fields: Schema) -> Schema:
    """An object in an answer: all these fields are there; later versions may add others."""
    return {"type": "object", "required": list(fields), "properties": fields}


def asked(required: tuple[str, ...] = (), /, **fields: Schema) -> Schema:
    """An object in a request: other fields are refused, and null is as good as nothing."""
    properties = {name: schema if name in required else or_null(schema) for name, schema in fields.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False} | (
        {"required": list(required)} if required else {}
    )


def page_of(schema: Schema) -> Schema:
    """A list that may come in pages."""
    return told(data=list_of(schema), page=told(limit=NUMBER, next_cursor=or_null(TEXT)))


def _options_at(level: Level) -> dict[str, Schema]:
    return {row.wire: {**row.kind.schema, "description": row.about} for row in ROWS.values() if level in row.levels}


_OPTIONS: Final = _options_at(Level.JOB)
_CHANGES: Final = {name: schema for name, schema in _OPTIONS.items() if name != "queue"}
_SAID: Final = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}
_UNTIL: Final = {"type": "string", "examples": ["2h", "2026-01-31T08:00:00Z"]}
_CHOSEN_ID: Final = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$"}
_TIMES: Final = or_null(TIME)

BODIES: Final[Mapping[str, Schema]] = {
    "NewJob": asked(("type",), type=TEXT, data=ANY, id=_CHOSEN_ID, **_OPTIONS),
    "NewJobs": asked(("jobs",), jobs={"type": "array", "items": ref("NewJob"), "minItems": 1, "maxItems": MOST_JOBS}),
    "Nothing": asked(),
    "Cancel": asked(reason=_SAID),
    "Change": asked(data=ANY, **_OPTIONS),
    "Move": asked(("queue",), queue=_SAID, reason=_SAID, **_CHANGES),
    "Copy": asked(data=ANY, id=_CHOSEN_ID, **_OPTIONS),
    "NewProgress": asked(("done",), done={"type": "number"}, total={"type": "number"}, message=_SAID),
    "NewLine": asked(("text",), text=_SAID, level=_SAID, fields=OBJECT),
    "SetQueueOptions": asked(**_options_at(Level.QUEUE)),
    "Anything": OBJECT,
    "PauseQueue": asked(group=_SAID, reason=_SAID, by=_SAID, until=_UNTIL),
    "ResumeQueue": asked(group=_SAID),
    "PauseType": asked(reason=_SAID, by=_SAID, until=_UNTIL),
    "Drain": asked(delayed=YES, dry_run=YES),
    "Clean": asked(
        status=_SAID,
        older_than_ms=ANY,
        limit={"type": "integer", "minimum": 1},
        dry_run=YES,
    ),
    "DryRun": asked(dry_run=YES),
    "NewOperation": asked(
        ("action",),
        action={"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT, "examples": [str(verb) for verb in Verb]},
        filter=OBJECT,
        all=YES,
        dry_run=YES,
        reason=_SAID,
        queue=_SAID,
        changes=OBJECT,
        data=OBJECT,
        most={"type": "integer", "minimum": 1},
    ),
    "Grow": asked(("shards",), shards={"type": "integer", "minimum": 1, "maximum": MOST_SHARDS}, dry_run=YES),
    "SetLimits": asked(
        **dict.fromkeys(("queue", "group", "type", "key", "rate_key"), TEXT),
        **{limit.wire: {**limit.kind.schema, "description": limit.about} for limit in LIMITS.values()},
    ),
}
"""what requests bring"""

_ATTEMPT: Final = told(
    number=NUMBER,
    worker=TEXT,
    started_at=_TIMES,
    finished_at=_TIMES,
    duration_ms=or_null(NUMBER),
    outcome=or_null(words(Ending)),
    error=or_null(OBJECT),
    reason=or_null(TEXT),
)
_PROGRESS: Final = told(
    done={"type": "number"}, total=or_null({"type": "number"}), message=or_null(TEXT), updated_at=_TIMES
)
_JOB: Final = told(
    id=TEXT,
    type=TEXT,
    queue=TEXT,
    status=words(State),
    data=ANY,
    priority=NUMBER,
    attempt=NUMBER,
    max_attempts=NUMBER,
    deliveries=NUMBER,
    timeout_ms=NUMBER,
    backoff=or_null(OBJECT),
    tags=list_of(TEXT),
    metadata=OBJECT,
    progress=or_null(_PROGRESS),
    result=ANY,
    error=or_null(OBJECT),
    reason=or_null(TEXT),
    cancel_requested=YES,
    origin=or_null(TEXT),
    moved_to=or_null(TEXT),
    worker=or_null(TEXT),
    created_at=TIME,
    run_at=TIME,
    started_at=_TIMES,
    finished_at=_TIMES,
    duration_ms=or_null(NUMBER),
    attempts=list_of(_ATTEMPT),
)
_ACCEPTED: Final = told(id=TEXT, type=TEXT, queue=TEXT, created=YES, outcome=TEXT)
_PAUSE: Final = told(
    queue=or_null(TEXT),
    group=or_null(TEXT),
    type=or_null(TEXT),
    reason=or_null(TEXT),
    by=or_null(TEXT),
    at=_TIMES,
    until=_TIMES,
)
_QUEUE: Final = told(
    name=TEXT,
    counts=told(**{state.value: NUMBER for state in State}),
    unfinished=NUMBER,
    paused=or_null(_PAUSE),
    paused_groups=list_of(_PAUSE),
    hint=or_null(TEXT),
)
_STATS: Final = told(queue=TEXT, **{state.value: NUMBER for state in State}, paused=YES)
_QUEUE_HEALTH: Final = told(queue=TEXT, status=words(("healthy", "degraded", "unhealthy")), reason=or_null(TEXT))
_OPERATION: Final = told(
    id=TEXT,
    action=words(Verb),
    status=words(Stage),
    filter=OBJECT,
    arguments=OBJECT,
    seen=NUMBER,
    done=NUMBER,
    skipped=NUMBER,
    failed=NUMBER,
    errors=list_of(OBJECT),
    began_at=TIME,
    ended_at=_TIMES,
)
_PREVIEW: Final = told(dry_run=YES, count=NUMBER, exact=YES, sample=list_of(ref("Job")))
_LIMITED: Final = told(scope=TEXT, limits=OBJECT, set=list_of(TEXT))
_KEY: Final = told(key=TEXT, owner=TEXT, since=_TIMES, until=_TIMES, follower=or_null(TEXT))
_SHARDS: Final = told(
    data=list_of(told(number=NUMBER, node=TEXT, jobs=NUMBER, workers=NUMBER)),
    page=told(limit=NUMBER, next_cursor=or_null(TEXT)),
    spread=list_of(TEXT),
)
_TYPE: Final = told(type=TEXT, description=TEXT, installed=YES)
_WORKER: Final = told(
    id=TEXT, kind=TEXT, alive=YES, queues=list_of(TEXT), active=NUMBER, joined_at=TIME, lease_until=TIME, about=OBJECT
)

ANSWERS: Final[Mapping[str, Schema]] = {
    "Index": told(name=TEXT, links=OBJECT),
    "Description": told(openapi=TEXT, info=OBJECT, paths=OBJECT),
    "Health": told(status=words(("pass", "fail"))),
    "Job": _JOB,
    "JobOrAccepted": {"anyOf": [ref("Job"), _ACCEPTED]},
    "Accepted": page_of(_ACCEPTED),
    "Jobs": page_of(ref("Job")),
    "Status": told(id=TEXT, status=words(State), attempt=NUMBER, max_attempts=NUMBER, cancel_requested=YES),
    "Progress": told(id=TEXT, status=words(State), progress=or_null(_PROGRESS)),
    "Result": told(id=TEXT, status=words(State), result=ANY, error=or_null(OBJECT), finished_at=_TIMES),
    "Attempts": page_of(_ATTEMPT),
    "Logs": page_of(told(at=TIME, attempt=NUMBER, level=TEXT, text=TEXT, fields=OBJECT)),
    "Why": told(id=TEXT, reasons=list_of(told(cause=words(Cause), message=TEXT, until=_TIMES))),
    "Queue": _QUEUE,
    "Queues": page_of(_QUEUE),
    "QueueOptions": told(queue=TEXT, options=OBJECT, set=list_of(TEXT)),
    "Stats": _STATS,
    "AllStats": page_of(_STATS),
    "QueueHealth": _QUEUE_HEALTH,
    "AllQueueHealth": page_of(_QUEUE_HEALTH),
    "Pause": _PAUSE,
    "Pauses": page_of(_PAUSE),
    "Resumed": told(resumed=YES),
    "Operation": _OPERATION,
    "Operations": page_of(_OPERATION),
    "OperationOrPreview": {"anyOf": [_OPERATION, _PREVIEW]},
    "Removed": told(removed=NUMBER),
    "Limited": _LIMITED,
    "AllLimited": page_of(_LIMITED),
    "UniqueKey": _KEY,
    "UniqueKeys": page_of(_KEY),
    "Shards": _SHARDS,
    "ShardsOrPreview": {"anyOf": [_SHARDS, told(dry_run=YES, shards=NUMBER, after=NUMBER)]},
    "Type": _TYPE,
    "Types": page_of(_TYPE),
    "Workers": page_of(_WORKER),
    "Worker": _WORKER,
    "Asked": told(id=TEXT, asked={"enum": ["quiet", "stop", "restart"]}),
    "Problem": told(
        type=TEXT,
        title=TEXT,
        status=NUMBER,
        detail=TEXT,
        instance=TEXT,
        code=TEXT,
        request_id=TEXT,
        retryable=YES,
    ),
}
"""what answers bring"""

_LIMIT: Final = {"type": "integer", "minimum": 1, "maximum": MOST_ON_PAGE}
_WORD: Final[Schema] = {"type": "string", "minLength": 1}
JOB_QUERY: Final[Mapping[str, Schema]] = {
    **dict.fromkeys(("type", "queue", "tag", "tags", "cursor"), _WORD),
    "status": {"type": "string", "examples": ["failed", "waiting,delayed"]},
    "date": {"type": "string", "format": "date"},
    **dict.fromkeys(("created_after", "created_before", "finished_before"), TIME),
    "limit": _LIMIT,
}
KEY_QUERY: Final[Mapping[str, Schema]] = {
    **dict.fromkeys(("type", "key", "queue", "scope", "cursor"), TEXT),
    "limit": _LIMIT,
}
