"""The question before what cannot be undone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click


def asks_first(function: Callable[..., None]) -> Callable[..., None]:
    """Adds --yes; the command gets a `consent` to ask for."""

    @click.option("--yes", is_flag=True, help="Do not ask.")
    @wraps(function)
    def command(*args: Any, yes: bool, **options: Any) -> None:
        function(*args, consent=Consent(yes), **options)

    return command


class Consent:
    """Given beforehand, or asked for where somebody can answer."""

    def __init__(self, given: bool) -> None:
        self._given = given

    def ask(self, what: str) -> None:
        """Returns if `what`, a sentence that says what will be, is wanted. Raises UsageError where nobody can be asked,
        Exit(1) if the answer is no, Abort on Ctrl-C."""
        if self._given:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise click.UsageError(f"{what}; say --yes if that is wanted", click.get_current_context(silent=True))
        if not click.confirm(f"{what}. Go on?", err=True):
            click.echo("nothing was done", err=True)
            raise click.exceptions.Exit(1)
