"""Limits of queues, groups, types and keys at run time."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from jobd.control.limits import which
from jobd.domain.limits import read_limits
from jobd.domain.rendering import limits_to_json
from jobd.errors import FieldFault, InvalidRequest, OptionError
from jobd.http.answer import answer, listed
from jobd.http.service import client_of

_TARGETS: Final = ("queue", "group", "type", "key", "rate_key")


async def list_limits(request: web.Request) -> web.Response:
    """All limits, from the configuration and set at run time."""
    return answer(listed([limits_to_json(limits) for limits in await client_of(request).limits()]))


async def set_limits(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Sets limits of what the body names; null takes one back."""
    targets = {name: body[name] for name in _TARGETS if body.get(name) is not None}
    given = {name: value for name, value in body.items() if name not in _TARGETS}
    try:
        scope, names = which(**targets)
        changes = read_limits(scope, given, lambda kind: kind.from_json)
        if not changes:
            raise OptionError("limits: say which, such as concurrency or rate")
        return answer(limits_to_json(await client_of(request).change_limits(scope, names, changes)))
    except OptionError as error:
        word = str(error).partition(":")[0]
        field = word if word in body else ""
        fault = FieldFault(pointer=field and f"/{field}", code="invalid", message=str(error))
        raise InvalidRequest(str(error), [fault]) from None
