"""The description of the API (OpenAPI 3.1), made from the tables by which it works: it cannot say anything else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from jobd.http.answer import answer
from jobd.http.schemas import ANSWERS, BODIES, JOB_QUERY, KEY_QUERY, Schema, ref
from jobd.http.service import SERVICE

if TYPE_CHECKING:
    from jobd.http.routes import Route

PATH: Final = "/api/v1/openapi.json"
_PARAMETER = re.compile(r"{(\w+)}")

_SHAPES: Final[Mapping[str, tuple[str, str]]] = {
    "GET /": ("", "Index"),
    "GET /livez": ("", "Health"),
    "GET /readyz": ("", "Health"),
    f"GET {PATH}": ("", "Description"),
    "POST /api/v1/jobs": ("NewJob", "JobOrAccepted"),
    "POST /api/v1/jobs/batch": ("NewJobs", "Accepted"),
    "GET /api/v1/jobs": ("", "Jobs"),
    "GET /api/v1/jobs/{id}": ("", "Job"),
    "GET /api/v1/jobs/{id}/status": ("", "Status"),
    "GET /api/v1/jobs/{id}/progress": ("", "Progress"),
    "GET /api/v1/jobs/{id}/result": ("", "Result"),
    "GET /api/v1/jobs/{id}/attempts": ("", "Attempts"),
    "GET /api/v1/jobs/{id}/logs": ("", "Logs"),
    "GET /api/v1/jobs/{id}/why": ("", "Why"),
    "POST /api/v1/jobs/{id}/progress": ("NewProgress", ""),
    "POST /api/v1/jobs/{id}/logs": ("NewLine", ""),
    "POST /api/v1/jobs/{id}/cancel": ("Cancel", "Job"),
    "POST /api/v1/jobs/{id}/retry": ("Nothing", "Job"),
    "PATCH /api/v1/jobs/{id}": ("Change", "Job"),
    "POST /api/v1/jobs/{id}/promote": ("Nothing", "Job"),
    "POST /api/v1/jobs/{id}/move": ("Move", "Job"),
    "POST /api/v1/jobs/{id}/duplicate": ("Copy", "Job"),
    "DELETE /api/v1/jobs/{id}": ("", ""),
    "GET /api/v1/queues": ("", "Queues"),
    "GET /api/v1/queues/{queue}": ("", "Queue"),
    "GET /api/v1/queues/{queue}/options": ("", "QueueOptions"),
    "PATCH /api/v1/queues/{queue}/options": ("SetQueueOptions", "QueueOptions"),
    "DELETE /api/v1/queues/{queue}/options": ("", "QueueOptions"),
    "POST /api/v1/queues/{queue}/pause": ("PauseQueue", "Pause"),
    "POST /api/v1/queues/{queue}/resume": ("ResumeQueue", "Resumed"),
    "POST /api/v1/queues/{queue}/drain": ("Drain", "OperationOrPreview"),
    "POST /api/v1/queues/{queue}/clean": ("Clean", "OperationOrPreview"),
    "POST /api/v1/queues/{queue}/retry-failed": ("DryRun", "OperationOrPreview"),
    "POST /api/v1/queues/{queue}/promote-delayed": ("DryRun", "OperationOrPreview"),
    "DELETE /api/v1/queues/{queue}": ("", "Removed"),
    "POST /api/v1/operations": ("NewOperation", "OperationOrPreview"),
    "GET /api/v1/operations": ("", "Operations"),
    "GET /api/v1/operations/{operation}": ("", "Operation"),
    "POST /api/v1/operations/{operation}/cancel": ("Nothing", "Operation"),
    "GET /api/v1/pauses": ("", "Pauses"),
    "GET /api/v1/limits": ("", "AllLimited"),
    "PATCH /api/v1/limits": ("SetLimits", "Limited"),
    "GET /api/v1/unique-keys": ("", "UniqueKeys"),
    "GET /api/v1/unique-keys/{key}": ("", "UniqueKey"),
    "DELETE /api/v1/unique-keys/{key}": ("", ""),
    "GET /api/v1/shards": ("", "Shards"),
    "POST /api/v1/shards/grow": ("Grow", "ShardsOrPreview"),
    "GET /api/v1/types": ("", "Types"),
    "GET /api/v1/types/{type}": ("", "Type"),
    "POST /api/v1/types/{type}/pause": ("PauseType", "Pause"),
    "POST /api/v1/types/{type}/resume": ("Nothing", "Resumed"),
    "GET /api/v1/workers": ("", "Workers"),
    "GET /api/v1/workers/{worker}": ("", "Worker"),
    "POST /api/v1/workers/{worker}/quiet": ("Nothing", "Asked"),
    "POST /api/v1/workers/{worker}/stop": ("Nothing", "Asked"),
    "POST /api/v1/workers/{worker}/restart": ("Nothing", "Asked"),
    "POST /jobs": ("OtherNewJob", "JobOrAccepted"),
    "DELETE /jobs/{id}": ("", "Job"),
    "GET /api/queues/stats": ("", "AllStats"),
    "GET /api/queues/health": ("", "AllQueueHealth"),
    "GET /api/queues/{queue}/stats": ("", "Stats"),
    "GET /api/queues/{queue}/health": ("", "QueueHealth"),
    "DELETE /api/queues/{queue}/jobs/{id}": ("", ""),
}
"""what a request brings, and what its answer; an alias that is not here has the shapes of its canonical path"""
_QUERIES: Final[Mapping[str, Mapping[str, Schema]]] = {
    "GET /api/v1/jobs": JOB_QUERY,
    "GET /jobs": JOB_QUERY,
    "GET /api/v1/unique-keys": KEY_QUERY,
    "DELETE /api/v1/unique-keys/{key}": {"owner": {"type": "string"}},
    "DELETE /api/v1/queues/{queue}": {"force": {"type": "string", "enum": ["true", "false"]}},
}


async def show_description(request: web.Request) -> web.Response:
    """This description."""
    return answer(orjson.Fragment(request[SERVICE].description))


def describe(
    routes: Iterable[Route], aliases: Iterable[Route], canonical: Mapping[tuple[str, str], str], *, version: str
) -> dict[str, Any]:
    """The description of these routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        tag = route.path.removeprefix("/api/v1").split("/")[1] or "server"
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, "server" if "z" in tag else tag)
    for alias in aliases:
        path = canonical[alias.method, alias.path]
        operation = _operation(alias, "aliases", path.partition("?")[0])
        operation["description"] = f"The same as {path}, under the name that other systems have for it."
        paths.setdefault(alias.path, {})[alias.method.lower()] = operation
    other = {**BODIES["NewJob"], "additionalProperties": True, "required": []}
    return {
        "openapi": "3.1.0",
        "info": {"title": "jobd", "version": version, "description": "Background jobs: enqueue them, look at them."},
        "security": [{"token": []}, {}],
        "paths": paths,
        "components": {
            "schemas": {**BODIES, "OtherNewJob": other, **ANSWERS},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, tag: str, canonical: str = "") -> dict[str, Any]:
    name = f"{route.method} {route.path}"
    body, shown = shapes_of(route, canonical) or ("" if route.body.value == "none" else "Anything", "Anything")
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", name).strip("_").lower(),
        "summary": route.about,
        "tags": [tag],
        "responses": {
            **{str(status): _response(status, shown) for status in route.gives},
            "default": {
                "description": "What is wrong",
                "content": {"application/problem+json": {"schema": ref("Problem")}},
            },
        },
    }
    parameters = [
        {"name": word, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for word in _PARAMETER.findall(route.path)
    ] + [{"name": word, "in": "query", "schema": schema} for word, schema in _QUERIES.get(name, {}).items()]
    if parameters:
        operation["parameters"] = parameters
    if body:
        required = route.body.value == "required"
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": ref(body)}}}
    return operation


def shapes_of(route: Route, canonical: str = "") -> tuple[str, str] | None:
    """What a request brings there, and what its answer; None if nobody has said. A list of one state has the shapes of
    the list of all."""
    names = (f"{route.method} {route.path}", f"{route.method} {canonical}", f"POST {canonical}")
    return next((_SHAPES[name] for name in names if name in _SHAPES), None)


def _response(status: int, shown: str) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if shown and status != HTTPStatus.NO_CONTENT:
        response["content"] = {"application/json": {"schema": ref(shown)}}
    return response
