"""Which jobs, in the words of `--where`, for commands whose other options have the same names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import click

from jobd.cli.options import Day, Field, QueueName

if TYPE_CHECKING:
    from jobd.control.filters import JobFilter

_LISTS = {"status": "status", "tag": "tags"}
_METADATA = "metadata."
_KNOWN = ("queue", "type", "status", "tag", "date", "metadata.NAME")


class Where(click.ParamType[Any]):
    """`field=value`, or `metadata.name:=json`."""

    name = "FIELD=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """Fails, saying which there are, if there is no such field."""
        field, said = Field().convert(value, param, ctx)
        if field == "date":
            said = Day().convert(said, param, ctx)
        elif field == "queue":
            said = QueueName().convert(said, param, ctx)
        elif field not in _KNOWN and not field.startswith(_METADATA):
            self.fail(f"there is no field {field!r} of jobs to choose by; there are {', '.join(_KNOWN)}", param, ctx)
        return field, said


def together(said: Iterable[tuple[str, Any]]) -> JobFilter:
    """The filter that these make; those of one name add up where they can."""
    which: dict[str, Any] = {}
    for field, value in said:
        if field in _LISTS:
            which.setdefault(_LISTS[field], []).append(value)
        elif field.startswith(_METADATA):
            which.setdefault("metadata", {})[field.removeprefix(_METADATA)] = value
        elif field in which:
            raise click.BadParameter(f"{field} is given twice", param_hint="--where")
        else:
            which[field] = value
    return cast("JobFilter", which)
