"""Options that many commands share, and the kinds of values they take."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from jobd.cli.place import Place
from jobd.cli.screen import Screen
from jobd.domain.duration import milliseconds
from jobd.domain.kinds.times import moment_in_text, seconds_or_text
from jobd.domain.names import check_queue_name
from jobd.domain.queue_order import weighted
from jobd.errors import OptionError

Function = TypeVar("Function", bound=Callable[..., Any])

_FIELD = re.compile(r"(?P<key>.+?)(?P<how>:=|=)(?P<value>.*)", re.DOTALL)


def asks_store(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say where the store is; the command gets them as `place`."""

    @click.option("--redis-url", metavar="URL", help="The Redis to use. Without one: JOBD_REDIS_URL, else jobd's own.")
    @click.option("--data-dir", metavar="DIR", type=click.Path(path_type=Path), help="Where jobd keeps its own data.")
    @click.option("--config", metavar="FILE", type=click.Path(path_type=Path), help="The configuration file (TOML).")
    @wraps(function)
    def command(*args: Any, redis_url: str | None, data_dir: Path | None, config: Path | None, **options: Any) -> None:
        function(*args, place=Place(redis_url, data_dir, config), **options)

    return command


def prints(function: Callable[..., None]) -> Callable[..., None]:
    """Adds --output; the command gets a `screen` to print on."""

    @click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "tsv", "json"]),
        help="table (on a terminal), tsv: rows without a head (elsewhere), json: with the names of the API.",
    )
    @wraps(function)
    def command(*args: Any, output: str | None, **options: Any) -> None:
        function(*args, screen=Screen(output), **options)

    return command


class Field(click.ParamType[tuple[str, Any]]):
    """`key=text` or `key:=json`: a pair of a name and a value."""

    name = "field"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """Fails, with what is expected, if the word is not such a pair."""
        if isinstance(value, tuple):
            return value
        match = _FIELD.fullmatch(value)
        if match is None:
            self.fail(f"{value!r} is neither key=text nor key:=json", param, ctx)
        if match["how"] == "=":
            return match["key"], match["value"]
        key, text = match["key"], match["value"]
        return key, parse_json(text, f"{text!r}, the value of {key},", f"; a text is given as {key}={text}")


class Length(click.ParamType[float]):
    """A length of time: "5s", "1h30m", or seconds. As a number of seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Fails, with examples, if it is not one."""
        try:
            return milliseconds(seconds_or_text(value)) / 1_000
        except OptionError as error:
            self.fail(str(error).removeprefix("duration: "), param, ctx)


class Until(click.ParamType["datetime | str"]):
    """A moment, or the length of time to it."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime | str:
        """Fails, with examples, if it is neither."""
        if isinstance(value, datetime):
            return value
        try:
            return f"{milliseconds(seconds_or_text(value), least=1)}ms"
        except OptionError:
            pass
        try:
            return moment_in_text(value, "until")
        except OptionError as error:
            self.fail(f"{str(error).removeprefix('until: ')}; or a length of time such as 2h", param, ctx)


class QueueName(click.ParamType[str]):
    """The name of a queue."""

    name = "queue"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Fails, saying what a name looks like, if it is not one."""
        try:
            return check_queue_name(value)
        except OptionError as error:
            self.fail(str(error).removeprefix("queue: "), param, ctx)


class WeightedQueueName(click.ParamType[str]):
    """The name of a queue, or name=weight."""

    name = "queue"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Fails, saying what a name or a weight looks like, if it is not one."""
        try:
            weighted(value)
        except OptionError as error:
            self.fail(str(error).removeprefix("queue: "), param, ctx)
        return str(value)


class Whole(click.ParamType[int]):
    """A whole number within limits."""

    name = "number"

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Fails, with the limits, if it is not one."""
        text = str(value)
        if not text.isascii() or not text.isdigit() or not self.least <= int(text[:20]) <= self.most:
            self.fail(f"{text!r} is not a whole number from {self.least} to {self.most}", param, ctx)
        return int(text)


class Day(click.ParamType[date]):
    """A day: 2026-01-31."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Fails, with an example, if it is not one."""
        try:
            return date.fromisoformat(value if re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII) else "")
        except ValueError:
            self.fail(f"{value!r} is not a day such as 2026-01-31", param, ctx)


class Processes(click.ParamType[int | str]):
    """A number of processes, or `auto`."""

    name = "number|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Fails if it is neither."""
        text = str(value)
        if text == "auto":
            return text
        if not text.isascii() or not text.isdigit():
            self.fail(f"{text!r} is neither a whole number nor auto", param, ctx)
        return int(text)


def parse_json(text: str, what: str, cure: str = "") -> Any:
    """The value of a JSON text. Raises UsageError naming `what`, and a `cure` if there is one."""
    import orjson

    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise click.UsageError(
            f"{what} is not JSON: {error.msg} at character {error.pos + 1}{cure}",
            click.get_current_context(silent=True),
        ) from None
