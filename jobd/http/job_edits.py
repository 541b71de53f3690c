"""Jobs: change them, move them, copy them, remove them."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from jobd.control.jobs import KEEP
from jobd.domain.rendering import job_to_json
from jobd.errors import PayloadError
from jobd.http.answer import answer, nothing
from jobd.http.enqueue_body import read_changes, wrong_data
from jobd.http.fields import Fields
from jobd.http.job_path import id_of
from jobd.http.queues import actual_name
from jobd.http.service import client_of


async def change(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Changes a job that has not started: `data`, and any option but the queue."""
    options = read_changes(body, "data")
    try:
        job = await client_of(request).change_to(id_of(request), options, body.get("data", KEEP))
    except PayloadError as error:
        raise wrong_data(error) from None
    return answer(job_to_json(job))


async def promote(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Makes a delayed job wait now."""
    Fields(body).check()
    return answer(job_to_json(await client_of(request).promote(id_of(request))))


async def move(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Moves a job to another queue: 201 with the new one."""
    client, fields = client_of(request), Fields(body)
    queue, reason = fields.required_text("queue"), fields.text("reason")
    fields.check_only()
    options = read_changes({name: value for name, value in body.items() if name != "queue"}, "reason")
    return _made(job_to_json(await client.move_to(id_of(request), await actual_name(client, queue), options, reason)))


async def duplicate(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Enqueues another job like this one: 201 with it."""
    options = read_changes(body, "data", "id")
    try:
        job = await client_of(request).copy(id_of(request), options, body.get("data", KEEP), body.get("id"))
    except PayloadError as error:
        raise wrong_data(error) from None
    return _made(job_to_json(job))


async def remove(request: web.Request) -> web.Response:
    """Removes a job that does not run, and all that is known of it."""
    await client_of(request).remove(id_of(request))
    return nothing()


def _made(job: dict[str, Any]) -> web.Response:
    return answer(job, 201, {"Location": f"/api/v1/jobs/{job['id']}"})
