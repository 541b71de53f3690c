"""`Idempotency-Key`: a request that enqueues may say by what it is known, and come again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from aiohttp import web

from jobd.domain.plain_json import sorted_json
from jobd.http.refusals import BadRequest
from jobd.store.once import Once

_KEY: Final = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?", re.ASCII)


def once_of(request: web.Request, body: Mapping[str, Any]) -> Once | None:
    """What the request is known by; None if it does not say. Raises BadRequest if that cannot be a key."""
    keys = request.headers.getall("Idempotency-Key", [])
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise BadRequest("the header Idempotency-Key is one text of 1 to 255 printable ASCII characters")
    path = request.path.removeprefix("/api/v1")
    return Once(_digest(keys[0].encode()), _digest(path.encode() + b" " + sorted_json(body)))


def _digest(raw: bytes) -> str:
    return blake2b(raw, digest_size=20).hexdigest()
