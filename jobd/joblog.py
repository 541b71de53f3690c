"""The log of one job: lines that are kept with it, and go to the log of the process too."""

from __future__ import annotations

import asyncio
import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from jobd import log
from jobd.errors import ClientClosed, StoreError
from jobd.store.codec import members

if TYPE_CHECKING:
    from jobd.domain.delivery import Delivery
    from jobd.store.shard import Shard

LONGEST_TEXT = 4_096
LONGEST_FIELDS = 4_096
_TAKEN = {"event", "level", "self", "timestamp"}
"""names that a line of the process log has a use for"""


class JobLog:
    """`info("text", key=value)` and its like. Writing a line never waits; lines reach the store a moment later, and all
    of them before the attempt is settled. The last 1 000 lines of a job are kept."""

    def __init__(self, delivery: Delivery, shard: Shard, loop: asyncio.AbstractEventLoop) -> None:
        self._delivery = delivery
        self._shard = shard
        self._process_log = log.get("handler").bind(job=delivery.id, type=delivery.type, attempt=delivery.attempt)
        self._lines: list[bytes] = []
        self._loop = loop
        self._sending: asyncio.Task[None] | None = None

    def debug(self, text: str, /, **fields: Any) -> None:
        """A line that only developers want."""
        self._write("debug", text, fields)

    def info(self, text: str, /, **fields: Any) -> None:
        """A line for whoever looks at the job."""
        self._write("info", text, fields)

    def warning(self, text: str, /, **fields: Any) -> None:
        """Something that may need attention."""
        self._write("warning", text, fields)

    def error(self, text: str, /, **fields: Any) -> None:
        """Something went wrong."""
        self._write("error", text, fields)

    async def flush(self) -> None:
        """Returns when all that was written is with the job, or could not be brought there."""
        self._send_soon()
        while self._sending is not None and not self._sending.done():
            await self._sending

    def _write(self, level: str, text: str, fields: Mapping[str, Any]) -> None:
        fields, packed = _packed(fields)
        said: dict[str, Any] = {"level": level, "text": _encodable(str(text)[:LONGEST_TEXT])}
        if fields:
            said["fields"] = orjson.Fragment(packed) if len(packed) <= LONGEST_FIELDS else {"cut": len(packed)}
        self._lines.append(members(said))
        getattr(self._process_log, level)(text, **({"fields": fields} if fields.keys() & _TAKEN else fields))
        # the handler may be in a thread of its own
        self._loop.call_soon_threadsafe(self._send_soon)

    def _send_soon(self) -> None:
        if self._lines and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._send(), name=f"log of {self._delivery.id}")

    async def _send(self) -> None:
        while self._lines:
            lines, self._lines = self._lines, []
            try:
                for line in lines:
                    await self._shard.say(self._delivery, "log", line)
            except (StoreError, ClientClosed) as error:
                self._process_log.warning(
                    "log lines could not be kept with the job", lines=len(lines), error=str(error)
                )


def _packed(fields: Mapping[str, Any]) -> tuple[Mapping[str, Any], bytes]:
    """The fields and their JSON. No handler fails by what it logs: what has no JSON becomes text."""
    try:
        return fields, orjson.dumps(fields, default=repr, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, RecursionError):
        # too large a number, a half of a character, a circle, an object that cannot even say what it is
        worded = {_encodable(name): _encodable(reprlib.repr(value)) for name, value in fields.items()}
        return worded, orjson.dumps(worded)


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()
