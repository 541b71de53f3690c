"""What queues say of their jobs, at run time."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from jobd.domain.rendering import queue_options_to_json
from jobd.http.answer import answer
from jobd.http.enqueue_body import read_queue_changes
from jobd.http.queues import actual_name
from jobd.http.service import client_of


async def show_options(request: web.Request) -> web.Response:
    """What a queue says of its jobs where neither they nor their types say anything."""
    client = client_of(request)
    queue = await actual_name(client, request.match_info["queue"])
    return answer(queue_options_to_json(await client.queue_options(queue)))


async def set_options(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Says options for the jobs of a queue, for all processes; null takes one back."""
    client, changes = client_of(request), read_queue_changes(body)
    queue = await actual_name(client, request.match_info["queue"])
    return answer(queue_options_to_json(await client.change_queue_options(queue, changes)))


async def reset_options(request: web.Request) -> web.Response:
    """Takes back all options that were set for a queue at run time."""
    client = client_of(request)
    queue = await actual_name(client, request.match_info["queue"])
    return answer(queue_options_to_json(await client.reset_queue_options(queue)))
