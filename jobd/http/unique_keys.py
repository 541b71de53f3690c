"""Unique keys: who has one, and how it is freed."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from jobd.domain.options import Options
from jobd.domain.rendering import unique_key_to_json
from jobd.domain.unique import Unique
from jobd.errors import InvalidRequest, OptionError
from jobd.http.answer import answer, listed, nothing
from jobd.http.refusals import BadRequest, NotFound
from jobd.http.service import client_of

_FILTERS: Final = frozenset({"type", "key", "queue", "scope", "limit", "cursor"})


async def list_keys(request: web.Request) -> web.Response:
    """A page of the unique keys that are owned; or the one of a job type and a key of the caller's."""
    query, client = request.query, client_of(request)
    if unknown := query.keys() - _FILTERS:
        raise BadRequest(f"{min(unknown)}: there is no such parameter; there are {', '.join(sorted(_FILTERS))}")
    try:
        if "type" in query or "key" in query:
            scope: Any = query.get("scope", "queue")
            options = Options(unique=Unique(query.get("key", ""), scope=scope), queue=query.get("queue"))
            key = await client.unique_owner_of(query.get("type", ""), None, options)
            return answer(listed([unique_key_to_json(key)] if key else []))
        limit = query.get("limit", "50")
        size = int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 6 else 0
        page = await client.unique_keys(limit=size, cursor=query.get("cursor"))
    except (OptionError, InvalidRequest) as error:
        raise BadRequest(str(error)) from None
    shown = [unique_key_to_json(key) for key in page.keys]
    return answer({"data": shown, "page": {"limit": size, "next_cursor": page.cursor}})


async def show_key(request: web.Request) -> web.Response:
    """Who has a unique key."""
    name = request.match_info["key"]
    key = await client_of(request).unique_key(name)
    if key is None:
        raise NotFound(f"nobody has the unique key {name!r}")
    return answer(unique_key_to_json(key))


async def free_key(request: web.Request) -> web.Response:
    """Frees a unique key; with `?owner=` only if that job has it."""
    await client_of(request).free_unique_key(request.match_info["key"], owner=request.query.get("owner"))
    return nothing()
