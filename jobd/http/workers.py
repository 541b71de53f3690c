"""Workers."""

from __future__ import annotations

from aiohttp import web

from jobd.http.answer import answer, listed
from jobd.http.service import client_of
from jobd.http.wire import worker_body


async def list_workers(request: web.Request) -> web.Response:
    """The worker processes that have joined and not left."""
    return answer(listed([worker_body(member) for member in await client_of(request).workers()]))
