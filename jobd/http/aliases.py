"""The paths that the documents of other systems name (requirements 4.1). They are served by the handlers of the
canonical ones, answer with the same bodies, and say where the canonical path is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from jobd.domain.state import ENDED
from jobd.errors import FieldFault, InvalidRequest, StateConflict
from jobd.http import jobs, listing, operations, queue_aliases, queues
from jobd.http.job_path import id_of
from jobd.http.routes import Body, Permission, Route, delete, get, post
from jobd.http.service import client_of

_NAMES: Final = {"payload": "data", "name": "type", "task": "type"}
"""what a body may say for the field of ours"""


async def create(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Enqueues a job, with the words of other systems."""
    said = {ours: theirs for theirs, ours in _NAMES.items() if theirs in body and ours not in body}
    renamed = {ours: body[theirs] for ours, theirs in said.items()}
    rest = {name: value for name, value in body.items() if name not in said.values()}
    try:
        return await jobs.create(request, {**renamed, **rest})
    except InvalidRequest as error:
        error.faults = tuple(_as_said(fault, said) for fault in error.faults)
        raise


async def cancel_by_delete(request: web.Request) -> web.Response:
    """Cancels a job and keeps its record; 409 for one that has ended."""
    if (job := await client_of(request).get(id_of(request))).status in ENDED:
        raise StateConflict(f"job {job.id} is {job.status} already; only a job that has not ended can be cancelled")
    return await jobs.cancel(request, {})


def _as_said(fault: FieldFault, said: Mapping[str, str]) -> FieldFault:
    """The fault with the pointer into the body as it was sent."""
    head, slash, rest = fault["pointer"][1:].partition("/")
    pointer = f"/{said[head]}{slash}{rest}" if head in said else fault["pointer"]
    return FieldFault(pointer=pointer, code=fault["code"], message=fault["message"])


CANONICAL: dict[tuple[str, str], str] = {}
"""what each alias stands for, by its method and path"""


def _alias(route: Route, canonical: str) -> Route:
    """The route, with a link to the canonical path in its answers."""
    inner = route.handler
    CANONICAL[route.method, route.path] = canonical

    async def handler(request: web.Request) -> web.Response:
        response = await inner(request)
        path = canonical
        if "{" in route.path:
            path = canonical.format(**{name: quote(value, safe=":@") for name, value in request.match_info.items()})
        response.headers.add("Link", f'<{path}>; rel="canonical"')
        return response

    return replace(route, handler=handler)


ALIASES: tuple[Route, ...] = (
    _alias(
        post("/jobs", create, needs=Permission.ENQUEUE, body=Body.REQUIRED, gives=(201, 200, 204)),
        "/api/v1/jobs",
    ),
    _alias(get("/jobs", listing.list_jobs), "/api/v1/jobs"),
    _alias(get("/jobs/{id}", jobs.show), "/api/v1/jobs/{id}"),
    _alias(
        delete("/jobs/{id}", cancel_by_delete, needs=Permission.CONTROL, gives=(200, 202)), "/api/v1/jobs/{id}/cancel"
    ),
    _alias(get("/api/queues/stats", queue_aliases.all_stats), "/api/v1/queues"),
    _alias(get("/api/queues/health", queue_aliases.all_health, gives=(200, 503)), "/api/v1/queues"),
    _alias(get("/api/queues/{queue}/stats", queue_aliases.stats), "/api/v1/queues/{queue}"),
    _alias(get("/api/queues/{queue}/health", queue_aliases.health, gives=(200, 503)), "/api/v1/queues/{queue}"),
    *(
        _alias(
            get(f"/api/queues/{{queue}}/{state}", queue_aliases.listing_of(state)),
            f"/api/v1/jobs?queue={{queue}}&status={state}",
        )
        for state in queue_aliases.LISTED
    ),
    _alias(
        post("/api/queues/{queue}/jobs/{id}/retry", queue_aliases.retry, needs=Permission.CONTROL, body=Body.OPTIONAL),
        "/api/v1/jobs/{id}/retry",
    ),
    _alias(
        delete("/api/queues/{queue}/jobs/{id}", queue_aliases.remove, needs=Permission.CONTROL, gives=(204,)),
        "/api/v1/jobs/{id}",
    ),
    *(
        _alias(
            post(f"/api/queues/{{queue}}/{verb}", taker, needs=Permission.CONTROL, body=Body.OPTIONAL, gives=gives),
            f"/api/v1/queues/{{queue}}/{verb}",
        )
        for verb, taker, gives in (
            ("pause", queues.pause, (200,)),
            ("resume", queues.resume, (200,)),
            ("clean", operations.clean, (200, 202)),
            ("drain", operations.drain, (200, 202)),
        )
    ),
)
