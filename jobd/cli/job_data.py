"""The data of a job, as arguments of a command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from jobd.cli.options import Field, parse_json


def data_options(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the fields of the data and --data; the command gets them as `fields` and `data`."""
    function = click.option(
        "--data", metavar="JSON|@FILE|-", help="The data as JSON: as it stands, from a file, or from stdin (-)."
    )(function)
    return data_fields(function)


def data_fields(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the fields of the data; the command gets them as `fields`."""
    return click.argument("fields", metavar="[KEY=TEXT|KEY:=JSON]...", nargs=-1, type=Field())(function)


def read_data(data: str | None, fields: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """The data that these say; fields win."""
    payload = {} if data is None else parse_json(_text(data), "--data")
    if not isinstance(payload, dict):
        raise click.BadParameter("the data of a job is a JSON object of named fields", param_hint="--data")
    return {**payload, **dict(fields)}


def _text(data: str) -> str:
    if data == "-":
        return sys.stdin.read()
    if not data.startswith("@"):
        return data
    try:
        return Path(data[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise click.BadParameter(f"{data[1:]} cannot be read: {why}", param_hint="--data") from None
