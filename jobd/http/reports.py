"""What others than its handler say of a job."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from jobd.errors import FieldFault, InvalidRequest, OptionError
from jobd.http.answer import nothing
from jobd.http.fields import Fields
from jobd.http.job_path import id_of
from jobd.http.service import client_of


async def set_progress(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Says how far a running job is: `done`, and `total` and `message` if they are known."""
    fields = Fields(body)
    done, total, message = fields.anything("done"), fields.anything("total"), fields.text("message")
    fields.check()
    try:
        await client_of(request).set_progress(id_of(request), done, total, message)
    except OptionError as error:
        raise _wrong("total" if "total is" in str(error) else "done", error) from None
    return nothing()


async def add_log(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Adds a line to the log of a job that has started: `text`, and `level` and `fields` if there are any."""
    fields = Fields(body)
    text, level, more = fields.required_text("text"), fields.text("level"), fields.object("fields")
    fields.check()
    try:
        await client_of(request).add_log(id_of(request), text, level=level or "info", fields=more)
    except OptionError as error:
        raise _wrong("level", error) from None
    return nothing()


def _wrong(field: str, error: OptionError) -> InvalidRequest:
    return InvalidRequest(str(error), [FieldFault(pointer=f"/{field}", code="invalid", message=str(error))])
