"""The one table of routes. What stands in it is all that the API has; the paths of other systems are in aliases.py."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from aiohttp import web

from jobd.http import (
    health,
    index,
    job_edits,
    job_types,
    jobs,
    limits,
    listing,
    openapi,
    operations,
    queue_options,
    queues,
    reports,
    shards,
    unique_keys,
    workers,
)
from jobd.http.body import read_object
from jobd.http.expectation import expect_body
from jobd.http.query import check_query

Handler = Callable[[web.Request], Awaitable[web.Response]]
Taker = Callable[[web.Request, dict[str, Any]], Awaitable[web.Response]]


class Permission(Enum):
    """What a request needs to be allowed."""

    NONE = "none"
    """anybody who can connect may ask"""
    READ = "read"
    ENQUEUE = "enqueue"
    CONTROL = "control"


class Body(Enum):
    """What a request brings."""

    NONE = "none"
    OPTIONAL = "optional"
    """a JSON object, or nothing"""
    REQUIRED = "required"
    """a JSON object"""


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that the API does."""

    method: str
    path: str
    handler: Handler
    needs: Permission
    body: Body
    gives: tuple[int, ...]
    """the statuses of its successes"""
    about: str
    """what it does, in a sentence"""


def get(path: str, handler: Handler, *, needs: Permission = Permission.READ, gives: tuple[int, ...] = (200,)) -> Route:
    """A route that looks."""
    return Route("GET", path, handler, needs, Body.NONE, gives, _about(handler))


def post(path: str, taker: Taker, *, needs: Permission, body: Body, gives: tuple[int, ...] = (200,)) -> Route:
    """A route that changes something. Its handler is given the body, which has passed all limits."""
    required = body is Body.REQUIRED

    async def handler(request: web.Request) -> web.Response:
        check_query(request)
        return await taker(request, await read_object(request, required=required))

    return Route("POST", path, handler, needs, body, gives, _about(taker))


def delete(
    path: str, remover: Handler, *, needs: Permission, gives: tuple[int, ...], query: tuple[str, ...] = ()
) -> Route:
    """A route that removes what it names. `query` has the parameters that it knows."""

    async def handler(request: web.Request) -> web.Response:
        check_query(request, *query)
        return await remover(request)

    return Route("DELETE", path, handler, needs, Body.NONE, gives, _about(remover))


def patch(path: str, taker: Taker, *, needs: Permission) -> Route:
    """A route that changes some of what it names."""

    async def handler(request: web.Request) -> web.Response:
        check_query(request)
        return await taker(request, await read_object(request, required=True))

    return Route("PATCH", path, handler, needs, Body.REQUIRED, (200,), _about(taker))


def _about(handler: Callable[..., Awaitable[web.Response]]) -> str:
    return inspect.cleandoc(handler.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


_DONE = (200, 202)
"""done, or begun and carried on by a monitor"""
ROUTES: tuple[Route, ...] = (
    get("/", index.show_index),
    get("/livez", health.livez, needs=Permission.NONE),
    get("/readyz", health.readyz, needs=Permission.NONE),
    get(openapi.PATH, openapi.show_description),
    post("/api/v1/jobs", jobs.create, needs=Permission.ENQUEUE, body=Body.REQUIRED, gives=(201, 200, 204)),
    post("/api/v1/jobs/batch", jobs.create_many, needs=Permission.ENQUEUE, body=Body.REQUIRED, gives=(201, 200)),
    get("/api/v1/jobs", listing.list_jobs),
    get("/api/v1/jobs/{id}", jobs.show),
    get("/api/v1/jobs/{id}/status", jobs.show_status),
    get("/api/v1/jobs/{id}/progress", jobs.show_progress),
    get("/api/v1/jobs/{id}/result", jobs.show_result),
    get("/api/v1/jobs/{id}/attempts", jobs.show_attempts),
    get("/api/v1/jobs/{id}/logs", jobs.show_logs),
    get("/api/v1/jobs/{id}/why", jobs.show_why),
    post(
        "/api/v1/jobs/{id}/progress", reports.set_progress, needs=Permission.CONTROL, body=Body.REQUIRED, gives=(204,)
    ),
    post("/api/v1/jobs/{id}/logs", reports.add_log, needs=Permission.CONTROL, body=Body.REQUIRED, gives=(204,)),
    post("/api/v1/jobs/{id}/cancel", jobs.cancel, needs=Permission.CONTROL, body=Body.OPTIONAL, gives=(200, 202)),
    post("/api/v1/jobs/{id}/retry", jobs.retry, needs=Permission.CONTROL, body=Body.OPTIONAL),
    patch("/api/v1/jobs/{id}", job_edits.change, needs=Permission.CONTROL),
    post("/api/v1/jobs/{id}/promote", job_edits.promote, needs=Permission.CONTROL, body=Body.OPTIONAL),
    post("/api/v1/jobs/{id}/move", job_edits.move, needs=Permission.CONTROL, body=Body.REQUIRED, gives=(201,)),
    post(
        "/api/v1/jobs/{id}/duplicate", job_edits.duplicate, needs=Permission.ENQUEUE, body=Body.OPTIONAL, gives=(201,)
    ),
    delete("/api/v1/jobs/{id}", job_edits.remove, needs=Permission.CONTROL, gives=(204,)),
    get("/api/v1/queues", queues.list_queues),
    get("/api/v1/queues/{queue}", queues.show_queue),
    get("/api/v1/queues/{queue}/options", queue_options.show_options),
    patch("/api/v1/queues/{queue}/options", queue_options.set_options, needs=Permission.CONTROL),
    delete("/api/v1/queues/{queue}/options", queue_options.reset_options, needs=Permission.CONTROL, gives=(200,)),
    post("/api/v1/queues/{queue}/pause", queues.pause, needs=Permission.CONTROL, body=Body.OPTIONAL),
    post("/api/v1/queues/{queue}/resume", queues.resume, needs=Permission.CONTROL, body=Body.OPTIONAL),
    post("/api/v1/queues/{queue}/drain", operations.drain, needs=Permission.CONTROL, body=Body.OPTIONAL, gives=_DONE),
    post("/api/v1/queues/{queue}/clean", operations.clean, needs=Permission.CONTROL, body=Body.OPTIONAL, gives=_DONE),
    post(
        "/api/v1/queues/{queue}/retry-failed",
        operations.retry_failed,
        needs=Permission.CONTROL,
        body=Body.OPTIONAL,
        gives=_DONE,
    ),
    post(
        "/api/v1/queues/{queue}/promote-delayed",
        operations.promote_delayed,
        needs=Permission.CONTROL,
        body=Body.OPTIONAL,
        gives=_DONE,
    ),
    delete("/api/v1/queues/{queue}", operations.obliterate, needs=Permission.CONTROL, gives=(200,), query=("force",)),
    post("/api/v1/operations", operations.begin, needs=Permission.CONTROL, body=Body.REQUIRED, gives=(202, 200)),
    get("/api/v1/operations", operations.list_all),
    get("/api/v1/operations/{operation}", operations.show),
    post("/api/v1/operations/{operation}/cancel", operations.cancel, needs=Permission.CONTROL, body=Body.OPTIONAL),
    get("/api/v1/pauses", queues.list_pauses),
    get("/api/v1/limits", limits.list_limits),
    patch("/api/v1/limits", limits.set_limits, needs=Permission.CONTROL),
    get("/api/v1/unique-keys", unique_keys.list_keys),
    get("/api/v1/unique-keys/{key}", unique_keys.show_key),
    delete("/api/v1/unique-keys/{key}", unique_keys.free_key, needs=Permission.CONTROL, gives=(204,), query=("owner",)),
    get("/api/v1/shards", shards.list_shards),
    post("/api/v1/shards/grow", shards.grow, needs=Permission.CONTROL, body=Body.REQUIRED),
    get("/api/v1/types", job_types.list_types),
    get("/api/v1/types/{type}", job_types.show_type),
    post("/api/v1/types/{type}/pause", job_types.pause, needs=Permission.CONTROL, body=Body.OPTIONAL),
    post("/api/v1/types/{type}/resume", job_types.resume, needs=Permission.CONTROL, body=Body.OPTIONAL),
    get("/api/v1/workers", workers.list_workers),
    get("/api/v1/workers/{worker}", workers.show_worker),
    post("/api/v1/workers/{worker}/quiet", workers.quiet, needs=Permission.CONTROL, body=Body.OPTIONAL, gives=(202,)),
    post("/api/v1/workers/{worker}/stop", workers.stop, needs=Permission.CONTROL, body=Body.OPTIONAL, gives=(202,)),
    post(
        "/api/v1/workers/{worker}/restart", workers.restart, needs=Permission.CONTROL, body=Body.OPTIONAL, gives=(202,)
    ),
)


def add_routes(app: web.Application, routes: Iterable[Route]) -> None:
    """Gives the routes to an application. Each path that is looked at answers HEAD too."""
    for route in routes:
        app.router.add_route(route.method, route.path, route.handler, expect_handler=expect_body)
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, route.handler)
