"""Process logs: one line an event, with keys. Text for people on a terminal, JSON for machines.

structlog is imported with the first line. It takes a worker 2 to 6 MB, and most have nothing to say.
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import suppress
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal, TextIO, cast

import orjson

if TYPE_CHECKING:
    import structlog

Style = Literal["auto", "text", "json"]

_asked_for: list[tuple[str, Style]] = []
"""how to log, until that has been set up"""


def configure(level: str = "info", style: Style = "auto") -> None:
    """How this process logs, to standard error. `auto` is text on a terminal, else JSON."""
    _asked_for.append((level, style))


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines carry the name of the part of jobd that speaks."""
    return cast("structlog.typing.FilteringBoundLogger", _Speaker(name))


def lament(error: Exception) -> None:
    """Says on standard error why a line of the log could not be written."""
    _Sink().write(f"a line of the log could not be written: {_printable(repr(error))}\n")


class _Speaker:
    """A logger that is made when it speaks for the first time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._logger: Any = None

    def __getattr__(self, method: str) -> Any:
        if self._logger is None:
            self._logger = _made(self._name)
        return getattr(self._logger, method)


def _made(name: str) -> Any:
    import structlog

    if _asked_for:
        if not structlog.is_configured():  # by a plugin, for its own lines and ours
            _set_up(*_asked_for[-1])
        _asked_for.clear()
    return structlog.get_logger(part=name)


def _set_up(level: str, style: Style) -> None:
    import structlog

    text = style == "text" or (style == "auto" and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            pad_event_to=0,
            # others show local variables, and there are payloads and passwords in those
            exception_formatter=_traceback,
        )
        if text
        else structlog.processors.JSONRenderer(_json)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            _traced if not text else _shown,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Sink())),
        cache_logger_on_first_use=True,
    )


def _json(event: structlog.typing.EventDict, **how: Any) -> str:
    """In ASCII: what else there may be could move the cursor of a terminal."""
    try:
        text = orjson.dumps(event, how.get("default")).decode()
    except TypeError:  # half a character, or a number beyond 64 bits
        return json.dumps(event, **how)
    return text if text.isascii() and text.isprintable() else json.dumps(event, **how)


def _traced(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if "exc_info" not in event:
        return event
    import structlog

    return structlog.processors.format_exc_info(logger, method, event)


def _shown(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Nothing that a job says begins a line of its own, or moves the cursor of a terminal."""
    return {
        name: value if name == "exc_info" or isinstance(value, bool | int | float) else _printable(str(value))
        for name, value in event.items()
    }


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _traceback(sink: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    import structlog

    written = StringIO()
    structlog.dev.plain_traceback(written, exc_info)
    sink.write("\n".join(map(_printable, written.getvalue().split("\n"))))


class _Sink:
    """Standard error, whose end is nobody's end: no job fails because a line of the log has nowhere to go."""

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()
