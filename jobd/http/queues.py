"""Queues, and how many jobs are in each state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from jobd.client import Client
from jobd.domain.names import same_name
from jobd.domain.queue import Queue
from jobd.domain.rendering import pause_to_json, queue_to_json
from jobd.http.answer import answer, listed
from jobd.http.fields import Fields
from jobd.http.refusals import NotFound
from jobd.http.service import client_of


async def list_queues(request: web.Request) -> web.Response:
    """All queues that ever had a job."""
    client = client_of(request)
    queues = await client.queues()
    hints = await client.queue_hints(queues.values())
    return answer(listed([queue_to_json(queue, hints.get(name)) for name, queue in queues.items()]))


async def show_queue(request: web.Request) -> web.Response:
    """One queue."""
    queue = await known_queue(request)
    hints = await client_of(request).queue_hints([queue])
    return answer(queue_to_json(queue, hints.get(queue.name)))


async def known_queue(request: web.Request) -> Queue:
    """The queue in the path. Raises NotFound."""
    queues = await client_of(request).queues()
    name = _nearest(request.match_info["queue"], queues)
    if name not in queues:
        raise NotFound(f"no queue {name!r} has had a job yet")
    return queues[name]


async def pause(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Pauses a queue, or a group of it."""
    client, fields = client_of(request), Fields(body)
    queue = await actual_name(client, request.match_info["queue"])
    group, reason, by, until = fields.text("group"), fields.text("reason"), fields.text("by"), fields.until("until")
    fields.check()
    return answer(pause_to_json(await client.pause(queue, group=group, reason=reason, by=by, until=until)))


async def resume(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Ends the pause of a queue, or of a group of it; fine if there was none."""
    client, fields = client_of(request), Fields(body)
    queue = await actual_name(client, request.match_info["queue"])
    group = fields.text("group")
    fields.check()
    return answer({"resumed": await client.resume(queue, group=group)})


async def list_pauses(request: web.Request) -> web.Response:
    """All that is paused: queues, groups, types."""
    return answer(listed([pause_to_json(pause) for pause in await client_of(request).pauses()]))


async def actual_name(client: Client, name: str) -> str:
    """The name of the queue that is meant, in which `_` and `-` are the same."""
    return _nearest(name, await client.queues())


def _nearest(name: str, known: Iterable[str]) -> str:
    if name in known:
        return name
    return next((queue for queue in known if same_name(queue) == same_name(name)), name)
