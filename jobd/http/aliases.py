"""The paths that the documents of other systems name (requirements 4.1). They are served by the handlers of the
canonical ones, answer with the same bodies, and say where the canonical path is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from jobd.errors import FieldFault, InvalidRequest
from jobd.http import jobs, listing
from jobd.http.routes import Body, Permission, Route, get, post

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


def _as_said(fault: FieldFault, said: Mapping[str, str]) -> FieldFault:
    """The fault with the pointer into the body as it was sent."""
    head, slash, rest = fault["pointer"][1:].partition("/")
    pointer = f"/{said[head]}{slash}{rest}" if head in said else fault["pointer"]
    return FieldFault(pointer=pointer, code=fault["code"], message=fault["message"])


def _alias(route: Route, canonical: str) -> Route:
    """The route, with a link to the canonical path in its answers."""
    inner = route.handler

    async def handler(request: web.Request) -> web.Response:
        response = await inner(request)
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
)
