"""An answer: a JSON body with the headers that all of them have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web

_HEADERS: Final = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Server": "jobd",
}


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """The response with this body; `headers` win over the usual ones."""
    try:
        text = orjson.dumps(body)
    except TypeError:
        # a handler may return what orjson has no words for, such as an integer of more than 64 bits
        text = json.dumps(body).encode()
    return web.Response(body=text, status=status, headers={**_HEADERS, **headers} if headers else _HEADERS)


def nothing() -> web.Response:
    """The response that says only that it is done."""
    return web.Response(status=204, headers={name: value for name, value in _HEADERS.items() if name != "Content-Type"})


def listed(rows: list[Any]) -> dict[str, Any]:
    """The body of a list that is given whole."""
    return {"data": rows, "page": {"limit": len(rows), "next_cursor": None}}
