"""Process logs: one line an event, with keys. Text for people on a terminal, JSON for machines."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import Any, Literal, TextIO, cast

import structlog


def configure(level: str = "info", style: Literal["auto", "text", "json"] = "auto") -> None:
    """Sets up logging of this process, to standard error. `auto` is text on a terminal, else JSON."""
    text = style == "text" or (style == "auto" and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            pad_event_to=0,
            # others show local variables, and there are payloads and passwords in those
            exception_formatter=structlog.dev.plain_traceback,
        )
        if text
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info if not text else structlog.processors.UnicodeDecoder(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Sink())),
        cache_logger_on_first_use=True,
    )


class _Sink:
    """Standard error, whose end is nobody's end: no job fails because a line of the log has nowhere to go."""

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines carry the name of the part of jobd that speaks."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(part=name))
