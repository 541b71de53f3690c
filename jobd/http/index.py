"""The front page: where to go from here."""

from __future__ import annotations

from aiohttp import web

from jobd.http.answer import answer


async def show_index(_: web.Request) -> web.Response:
    """The collections of the API."""
    return answer(
        {
            "name": "jobd",
            "links": {
                "jobs": "/api/v1/jobs",
                "queues": "/api/v1/queues",
                "shards": "/api/v1/shards",
                "types": "/api/v1/types",
                "workers": "/api/v1/workers",
                "description": "/api/v1/openapi.json",
                "live": "/livez",
                "ready": "/readyz",
            },
        }
    )
