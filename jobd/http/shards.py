"""Shards: those that the store has, and how there come to be more."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from jobd.client import Client
from jobd.domain.rendering import shards_to_json
from jobd.errors import FieldFault, InvalidRequest, OptionError
from jobd.http.answer import answer
from jobd.http.fields import Fields
from jobd.http.service import client_of

_MOST: Final = 2**53


async def list_shards(request: web.Request) -> web.Response:
    """The shards of the store: the node of each, its jobs and workers; and the queues that are spread over all."""
    return answer(await _all(client_of(request)))


async def grow(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Lets the store have so many shards, for ever: it never has fewer again. A dry run says whether it could."""
    client, fields = client_of(request), Fields(body)
    number, dry_run = fields.required_whole("shards", 1, _MOST), fields.yes("dry_run")
    fields.check()
    try:
        if dry_run:
            return answer({"dry_run": True, "shards": await client.check_growth(number), "after": number})
        await client.grow(number)
    except OptionError as error:
        fault = FieldFault(pointer="/shards", code="invalid", message=str(error).removeprefix("shards: "))
        raise InvalidRequest(str(error), [fault]) from None
    return answer(await _all(client))


async def _all(client: Client) -> dict[str, Any]:
    return shards_to_json(await client.shards(), await client.spread_queues())
