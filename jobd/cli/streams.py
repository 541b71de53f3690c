"""Standard input, output and error, any of which may be closed, full, or read by somebody who has seen enough."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress

import click


def make_ready() -> None:
    """Gives each stream that was closed a place of its own, so that nothing else is opened there, and lets none fail
    for a letter that it cannot show."""
    closed = os.O_RDONLY  # what is written there fails as it does on a stream that is closed
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY), encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, closed), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # they are what Python opened


def complain(text: str, *, colour: bool | None = None) -> None:
    """Writes to standard error. Where that cannot be had, the exit code has to do."""
    with suppress(OSError):
        click.echo(text, err=True, color=colour)


def is_of_output(error: OSError) -> bool:
    """Does the error say that standard output cannot be written? Nothing else that commands do ends in one of these."""
    return error.errno in (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def give_up_output() -> None:
    """Lets go what is still to be written to standard output, for Python would try again at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
