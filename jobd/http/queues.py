"""Queues, and how many jobs are in each state."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from jobd.client import Client
from jobd.domain.names import same_name
from jobd.domain.rendering import queue_to_json
from jobd.http.answer import answer, listed
from jobd.http.refusals import NotFound
from jobd.http.service import client_of


async def list_queues(request: web.Request) -> web.Response:
    """All queues that ever had a job."""
    queues = await client_of(request).queues()
    return answer(listed([queue_to_json(name, counts) for name, counts in queues.items()]))


async def show_queue(request: web.Request) -> web.Response:
    """One queue."""
    queues = await client_of(request).queues()
    name = _nearest(request.match_info["queue"], queues)
    if name not in queues:
        raise NotFound(f"no queue {name!r} has had a job yet")
    return answer(queue_to_json(name, queues[name]))


async def actual_name(client: Client, name: str) -> str:
    """The name of the queue that is meant, in which `_` and `-` are the same."""
    return _nearest(name, await client.queues())


def _nearest(name: str, known: Iterable[str]) -> str:
    if name in known:
        return name
    return next((queue for queue in known if same_name(queue) == same_name(name)), name)
