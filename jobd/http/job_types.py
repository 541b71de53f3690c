"""Job types: those installed here, and those that workers elsewhere have made known."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from jobd.domain.jobtype import JobType
from jobd.domain.names import same_name
from jobd.domain.options import from_record
from jobd.domain.rendering import pause_to_json
from jobd.errors import UnknownJobType
from jobd.http.answer import answer, listed
from jobd.http.fields import Fields
from jobd.http.refusals import NotFound
from jobd.http.service import SERVICE, Service
from jobd.http.wire import type_body


async def list_types(request: web.Request) -> web.Response:
    """All job types, by name."""
    service = request[SERVICE]
    installed = [await _installed(service, job_type) for job_type in service.client.catalog.types.values()]
    rows = [*installed, *(await _told(service)).values()]
    return answer(listed(sorted(rows, key=lambda row: str(row["type"]))))


async def show_type(request: web.Request) -> web.Response:
    """One job type, with the JSON Schema of its payload where the plugin is installed."""
    service = request[SERVICE]
    name = request.match_info["type"]
    try:
        job_type = service.client.catalog.type_named(name)
    except UnknownJobType as unknown:
        told = (await _told(service)).get(same_name(name))
        if told is None:
            raise NotFound(str(unknown)) from None
        return answer({**told, "payload_schema": None})
    return answer({**await _installed(service, job_type), "payload_schema": job_type.payload_schema})


async def pause(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Pauses a type in all queues."""
    fields = Fields(body)
    reason, by, until = fields.text("reason"), fields.text("by"), fields.until("until")
    fields.check()
    client = request[SERVICE].client
    return answer(pause_to_json(await client.pause(type=request.match_info["type"], reason=reason, by=by, until=until)))


async def resume(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Ends the pause of a type; fine if there was none."""
    Fields(body).check()
    return answer({"resumed": await request[SERVICE].client.resume(type=request.match_info["type"])})


async def _installed(service: Service, job_type: JobType[Any, Any]) -> dict[str, Any]:
    options = await service.client.options_of(job_type.options)
    return type_body(job_type.name, options, job_type.description, installed=True)


async def _told(service: Service) -> dict[str, dict[str, Any]]:
    """The types that are not installed here, by the form of their names in which `_` and `-` are the same."""
    client = service.client
    return {
        same_name(name): type_body(
            name, await client.options_of(from_record(facts)), facts.get("description", ""), installed=False
        )
        for name, facts in (await client.store.known_types()).items()
        if client.catalog.find(name) is None
    }
