"""Workers."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from jobd.control.workers import QUIET, RESTART, STOP, member_to_json
from jobd.http.answer import answer, listed
from jobd.http.fields import Fields
from jobd.http.service import client_of


async def show_worker(request: web.Request) -> web.Response:
    """One worker process."""
    return answer(member_to_json(await client_of(request).worker(request.match_info["worker"])))


async def quiet(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Asks a worker process to take no more jobs; those that run go on."""
    return await _ordered(request, body, QUIET)


async def stop(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Asks a worker process to end, when its jobs have had their grace; nobody takes its place."""
    return await _ordered(request, body, STOP)


async def restart(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Asks that another process take the place of this one, which ends when the new one takes jobs."""
    return await _ordered(request, body, RESTART)


async def _ordered(request: web.Request, body: dict[str, Any], what: str) -> web.Response:
    Fields(body).check()
    worker_id = request.match_info["worker"]
    await client_of(request).order_worker(worker_id, what)
    return answer({"id": worker_id, "asked": what}, status=202)


async def list_workers(request: web.Request) -> web.Response:
    """The worker processes that have joined and not left."""
    return answer(listed([member_to_json(member) for member in await client_of(request).workers()]))
