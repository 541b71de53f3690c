"""The log of one job: lines that are kept with it, and go to the log of the process too."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jobd import log
from jobd.errors import ClientClosed, StoreError
from jobd.store.reports import log_words, packed_fields

if TYPE_CHECKING:
    from jobd.domain.delivery import Delivery
    from jobd.store.shard import Shard

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
        fields, packed = packed_fields(fields)
        self._lines.append(log_words(level, text, packed))
        self._tell_process(level, text, {"fields": fields} if fields.keys() & _TAKEN else fields)
        # the handler may be in a thread of its own
        self._loop.call_soon_threadsafe(self._send_soon)

    def _tell_process(self, level: str, text: str, fields: Mapping[str, Any]) -> None:
        try:
            getattr(self._process_log, level)(text, **fields)
        except Exception as error:  # noqa: BLE001  no job fails because a line breaks the log that others have set up
            log.lament(error)

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
                told = {"lines": len(lines), "error": str(error)}
                self._tell_process("warning", "log lines could not be kept with the job", told)
