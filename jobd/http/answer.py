"""An answer: a JSON body with the headers that all of them have."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http.client import responses
from typing import Any, Final

import orjson
from aiohttp import HttpVersion, HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

_USUAL: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Server": "jobd",
}
_JSON: Final = {"Content-Type": "application/json"}
_NO_CONTENT: Final = 204
"""a plain number: to compare with a member of HTTPStatus takes ten times as long"""


class Answer(web.Response):
    """A response that is written in one piece, with the usual headers before its own. aiohttp puts all headers into a
    table and takes them out again one by one, a fifth of what a request costs."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Sends it, whole. Raises ConnectionError if nobody is there any more."""
        if self._eof_sent:
            return None
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        version = request.version
        body = self._body if isinstance(self._body, bytes) else b""
        own = [f"{name}: {value}" for name, value in self._headers.items()]
        if self._status != _NO_CONTENT:
            own.append(f"Content-Length: {len(body)}")
        if self._keep_alive != (version >= HttpVersion11):
            own.append(f"Connection: {'keep-alive' if self._keep_alive else 'close'}")
        lines = "\r\n".join(own)
        if lines.count("\r") + lines.count("\n") != 2 * len(own) - 2 or "\0" in lines:
            raise ValueError(f"a header would end before its end: {own}")
        head = f"{_beginning(version, self._status)}{_date(int(time.time()))}{lines}\r\n\r\n".encode()
        await request.writer.write(head if request.method == "HEAD" else head + body)
        self._eof_sent = True
        return request.writer


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """The response with this body; `headers` win over the usual ones."""
    try:
        text = orjson.dumps(body)
    except TypeError:
        # a handler may return what orjson has no words for, such as an integer of more than 64 bits
        text = json.dumps(body).encode()
    return Answer(body=text, status=status, headers={**_JSON, **headers} if headers else _JSON)


def nothing() -> web.Response:
    """The response that says only that it is done."""
    return Answer(status=204)


def listed(rows: list[Any]) -> dict[str, Any]:
    """The body of a list that is given whole."""
    return {"data": rows, "page": {"limit": len(rows), "next_cursor": None}}


@lru_cache
def _beginning(version: HttpVersion, status: int) -> str:
    """All that is the same in each answer of this status."""
    usual = "".join(f"{name}: {value}\r\n" for name, value in _USUAL.items())
    reason = responses.get(status, "")
    return f"HTTP/{version.major}.{version.minor} {status} {reason}\r\n{usual}"


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}\r\n"
