"""The body of a request: its limits come before its meaning."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiohttp import web

from jobd.domain.plain_json import named
from jobd.errors import FieldFault, InvalidRequest
from jobd.http import json_text
from jobd.http.refusals import BadRequest, NotJsonType, TooLarge, TooSlow
from jobd.http.service import SERVICE

BODY_PATIENCE_S: Final = 30.0
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
"""what a page of another site can send without being asked whether it may"""


async def read_object(request: web.Request, *, required: bool) -> dict[str, Any]:
    """The JSON object in the body; where a body is not required, {} for none. Raises NotJsonType, TooLarge, TooSlow,
    BadRequest, InvalidRequest."""
    declared = request.headers.get("Content-Type")
    if declared != "application/json":
        _check_type(declared or "", empty=not required and not request.can_read_body)
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise NotJsonType("compressed bodies are not accepted; send it without Content-Encoding")
    raw = await _read(request)
    if not raw:
        if required:
            raise BadRequest("the body is empty; send a JSON object")
        return {}
    value = json_text.parse(raw)
    if not isinstance(value, dict):
        fault = FieldFault(pointer="", code="wrong_type", message="the body must be a JSON object")
        raise InvalidRequest(f"the body is {named(value)}, not an object", [fault])
    return value


def _check_type(declared: str, *, empty: bool) -> None:
    kind, _, parameters = declared.lower().partition(";")
    kind = kind.strip()
    if empty and kind not in _FORMS:
        return  # many clients say something of their own about no body
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        said = f"it says {kind[:100]!r}" if kind else "it says nothing"
        raise NotJsonType(f"send JSON with the header Content-Type: application/json; {said}")
    name, _, value = parameters.strip().partition("=")
    if name.strip() == "charset" and value.strip(' "') not in ("utf-8", "utf8", "us-ascii"):
        raise NotJsonType("JSON is UTF-8; send it so, and say no other charset")


async def _read(request: web.Request) -> bytes:
    most = request[SERVICE].most_bytes
    if (request.content_length or 0) > most:
        raise too_large(most)
    if request.content.is_eof():  # the usual case: it came with the headers
        raw = request.content.read_nowait()
        if len(raw) > most:
            raise too_large(most)
        return raw
    try:
        async with asyncio.timeout(BODY_PATIENCE_S):
            return await request.read()
    except TimeoutError:
        raise TooSlow(f"the body did not arrive within {BODY_PATIENCE_S:g} s") from None


def too_large(most: int) -> TooLarge:
    """The refusal of a body with more than `most` bytes."""
    return TooLarge(f"the body is too large; {most:,} bytes are allowed (http.max_body)")
