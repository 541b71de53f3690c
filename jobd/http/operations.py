"""Operations on many jobs: begun, looked at, aborted; and those on whole queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from jobd.client import Client
from jobd.control.filters import JobFilter, make_filter, narrows
from jobd.control.operations import read_verb
from jobd.domain.operation import Operation
from jobd.domain.options import NONE
from jobd.domain.rendering import job_to_json, operation_to_json
from jobd.errors import FieldFault, InvalidRequest
from jobd.http.answer import answer, listed
from jobd.http.enqueue_body import read_changes
from jobd.http.fields import Fields
from jobd.http.listing import read_filter
from jobd.http.query import yes_in_query
from jobd.http.queues import actual_name
from jobd.http.service import client_of

_SOON_S: Final = 5.0
"""how long a request works itself; what takes longer, a monitor goes on with"""
_MOST: Final = 2**53


async def begin(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Begins an operation: 202 with it; or says what it would find, 200."""
    client, fields = client_of(request), Fields(body)
    action = fields.required_text("action")
    reason, to, most = fields.text("reason"), fields.text("queue"), fields.whole("most", 1, _MOST)
    dry_run, everything = fields.yes("dry_run"), fields.yes("all")
    said, changes = fields.anything("filter"), fields.anything("changes")
    data = fields.object("data")
    fields.check()
    verb, which = read_verb(action), await _which(client, said)
    if not everything and not narrows(make_filter(which)):
        message = "this names no queue, type, tag, metadata or time; say all: true if all jobs are meant"
        raise InvalidRequest(f"filter: {message}", [FieldFault(pointer="/filter", code="too_wide", message=message)])
    if dry_run:
        found = await client.preview(verb, **which)
        sample = [job_to_json(job) for job in found.sample]
        return answer({"dry_run": True, "count": found.count, "exact": found.exact, "sample": sample})
    options = read_changes(_object(changes, "/changes")) if changes is not None else NONE
    begun = await client.begin(verb, which, reason=reason, to=to, changes=options, data=data, most=most)
    return _begun(begun, 202)


async def list_all(request: web.Request) -> web.Response:
    """The last hundred operations, the newest first."""
    return answer(listed([operation_to_json(operation) for operation in await client_of(request).operations()]))


async def show(request: web.Request) -> web.Response:
    """One operation, and how far it is."""
    return answer(operation_to_json(await client_of(request).operation(request.match_info["operation"])))


async def cancel(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Aborts an operation; what it has done stays done."""
    Fields(body).check()
    return answer(operation_to_json(await client_of(request).abort_operation(request.match_info["operation"])))


async def drain(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Removes what waits in a queue, and what is delayed if asked."""
    fields = Fields(body)
    delayed, dry_run = fields.yes("delayed"), fields.yes("dry_run")
    fields.check()
    return await _on_queue(request, "remove", dry_run, status=["waiting", *(["delayed"] if delayed else [])])


async def clean(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Removes what has ended in a queue."""
    client, fields = client_of(request), Fields(body)
    status, older_ms = fields.text("status") or "ended", fields.length_ms("older_than_ms") or 0
    most, dry_run = fields.whole("limit", 1, _MOST), fields.yes("dry_run")
    fields.check()
    before = await client.long_ago(older_ms)
    return await _on_queue(request, "remove", dry_run, most=most, status=status, finished_before=before)


async def retry_failed(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Runs all failed jobs of a queue again."""
    fields = Fields(body)
    dry_run = fields.yes("dry_run")
    fields.check()
    return await _on_queue(request, "retry", dry_run)


async def promote_delayed(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Makes all delayed jobs of a queue wait now."""
    fields = Fields(body)
    dry_run = fields.yes("dry_run")
    fields.check()
    return await _on_queue(request, "promote", dry_run)


async def obliterate(request: web.Request) -> web.Response:
    """Removes all jobs of a queue; 409 if any run, unless the query says force=true."""
    client, force = client_of(request), yes_in_query(request, "force")
    queue = await actual_name(client, request.match_info["queue"])
    return answer({"removed": await client.obliterate(queue, force=force)})


async def _on_queue(
    request: web.Request, verb: str, dry_run: bool, *, most: int | None = None, **which: Any
) -> web.Response:
    """200 with the operation when it is done, 202 while it goes on."""
    client = client_of(request)
    which["queue"] = await actual_name(client, request.match_info["queue"])
    if dry_run:
        found = await client.preview(verb, **which)
        sample = [job_to_json(job) for job in found.sample]
        return answer({"dry_run": True, "count": found.count, "exact": found.exact, "sample": sample})
    begun = await client.operate(verb, most=most, **which)
    over = await client.run_operation(begun.id, seconds=_SOON_S)
    return _begun(over, 200 if over.ended_at else 202)


def _begun(operation: Operation, status: int) -> web.Response:
    return answer(operation_to_json(operation), status, {"Location": f"/api/v1/operations/{operation.id}"})


async def _which(client: Client, said: Any) -> JobFilter:
    which = read_filter(_object(said if said is not None else {}, "/filter"))
    if queue := which.get("queue"):
        which["queue"] = await actual_name(client, queue)
    return which


def _object(value: Any, pointer: str) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    message = "this is not an object of named fields"
    raise InvalidRequest(f"{pointer}: {message}", [FieldFault(pointer=pointer, code="wrong_type", message=message)])
