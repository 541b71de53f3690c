"""Process logs: one line an event, with keys. Text for people on a terminal, JSON for machines.

A program of jobd's has structlog at hand from its start, or the first error of a job would hold up all others while it
is imported. Other programs import it with the first line: most have nothing to say.
"""

from __future__ import annotations

import json
import logging
import sys
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal, TextIO, cast

import orjson

if TYPE_CHECKING:
    import structlog

Style = Literal["auto", "text", "json"]

_asked_for: list[tuple[str, Style]] = []
"""how to log, until that has been set up"""


def configure(level: str = "info", style: Style = "auto") -> None:
    """How this process logs, to standard error. `auto` is text on a terminal, else JSON. To be called before there are
    other threads."""
    _asked_for.append((level, style))
    _import_without_rich()


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines carry the name of the part of jobd that speaks."""
    return cast("structlog.typing.FilteringBoundLogger", _Speaker(name))


def lament(error: Exception) -> None:
    """Says on standard error why a line of the log could not be written."""
    _Sink().write(f"a line of the log could not be written: {_printable(repr(error))}\n")


def _import_without_rich() -> None:
    """structlog takes rich with it, where that is installed, to show traces in a way that we do not: 9 ms and 0.8 MB
    become 41 ms and 5 MB."""
    if "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # so Python is told that it is not to be had
    try:
        import structlog  # noqa: F401  whoever imports it later finds it as it is
    finally:
        del sys.modules["rich"]


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
    logger = structlog.get_logger(part=name)
    return logger.bind() if structlog.get_config()["cache_logger_on_first_use"] else logger


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
        text = ""
    if text and text.isascii() and text.isprintable():
        return text
    return json.dumps(event, separators=(",", ":"), **how)


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
        try:  # noqa: SIM105  `suppress` is made anew for each line
            sys.stderr.write(text)
        except OSError:
            pass

    def flush(self) -> None:
        try:  # noqa: SIM105  as above
            sys.stderr.flush()
        except OSError:
            pass
