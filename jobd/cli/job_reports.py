"""`jobd jobs progress` and `note`: what scripts that a handler starts say of its job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from jobd.cli.options import Field, asks_store
from jobd.cli.place import Place
from jobd.control.reports import LEVELS

if TYPE_CHECKING:
    from jobd.client import Client

_ID = click.argument("job_id", metavar="ID")


@click.command(
    epilog="""\b
Examples:
  jobd jobs progress 01KAMWZY9SVJ3Y4S5QKZ8J6T2N 40 --total 100
  jobd jobs progress order-1234 3 --total 7 --message "packing" """
)
@_ID
@click.argument("done", type=float)
@click.option("--total", metavar="N", type=float, help="How much there is to do.")
@click.option("--message", metavar="TEXT", help="What is being done.")
@asks_store
def progress(place: Place, job_id: str, done: float, total: float | None, message: str | None) -> None:
    """Say how far a running job is, as its handler does."""
    place.ask(lambda client: client.set_progress(job_id, done, total, message))


@click.command(
    epilog="""\b
Examples:
  jobd jobs note 01KAMWZY9SVJ3Y4S5QKZ8J6T2N "the printer is warm"
  jobd jobs note order-1234 "no answer" --level warning host=db-2 seconds:=30"""
)
@_ID
@click.argument("text")
@click.argument("fields", metavar="[FIELD=TEXT | FIELD:=JSON]...", nargs=-1, type=Field())
@click.option("--level", metavar="WORD", default="info", help=f"{', '.join(LEVELS)}; info if nothing is said.")
@asks_store
def note(place: Place, job_id: str, text: str, fields: tuple[tuple[str, Any], ...], level: str) -> None:
    """Add a line to the log of a job that has started."""

    async def add(client: Client) -> None:
        await client.add_log(job_id, text, level=level, fields=dict(fields))

    place.ask(add)


REPORTS: Mapping[str, click.Command] = {"progress": progress, "note": note}
"""the commands, by name"""
