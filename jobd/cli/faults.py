"""How errors are told: to people what is wrong and what to do, to programs a problem object."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from jobd import errors
from jobd.cli.exits import Exit, OutputError, exit_of
from jobd.cli.streams import complain
from jobd.cli.table import harmless, paint

_CURES: tuple[tuple[type[Exception], str], ...] = (
    (errors.JobNotFound, "`jobd jobs list` shows the jobs there are"),
    (errors.StateConflict, "`jobd jobs show ID` says what it is doing"),
    (errors.UniqueConflict, "`jobd jobs show ID` says what that job is doing, `jobd unique free KEY` frees its key"),
    (errors.ResultTimeout, "`jobd jobs show ID` says what it is doing"),
    (errors.JobFailed, "`jobd jobs show ID` has the traceback, `jobd jobs retry ID` runs it again"),
    (errors.JobCancelled, "`jobd jobs retry ID` runs it again"),
    (errors.StoreDenied, "put the password into the URL that --redis-url or JOBD_REDIS_URL names"),
    (errors.StoreUnavailable, "check that the server runs, and the URL that --redis-url or JOBD_REDIS_URL names"),
    (errors.PayloadError, "correct these fields; `key:=json` gives numbers, lists and objects"),
    (
        errors.UnknownJobType,
        "`jobd plugins list` shows what is installed here; a type that only workers elsewhere will know needs --queue",
    ),
    (errors.SettingsError, "`jobd help environment` lists the settings"),
)


def tell(error: Exception, *, as_json: bool) -> Exit:
    """Writes an error to standard error and returns the exit code that it ends in."""
    code = Exit.USAGE if isinstance(error, click.UsageError) else exit_of(error)
    if as_json:
        from jobd.cli.screen import json_text

        complain(json_text({**_problem(error), "exit_code": int(code)}))
        return code
    what, more, cure = _sentences(error)
    lines = [f"{_word('Error:', 'red')} {harmless(what)}"]
    lines += [f"       {harmless(text)}" for text in more]
    if cure:
        lines.append(f"{_word('Try:', 'yellow')}   {harmless(cure)}")
    complain("\n".join(lines), colour=True)
    return code


def tell_of_output(trouble: OSError, *, as_json: bool) -> Exit:
    """Writes to standard error why standard output could not be written."""
    return tell(OutputError(f"the output cannot be written: {trouble.strerror or trouble}"), as_json=as_json)


def wants_json(arguments: Sequence[str]) -> bool:
    """Do the arguments of a command line ask for JSON? Known even where they cannot be parsed."""
    for at, word in enumerate(arguments):
        if word in ("-ojson", "-o=json", "--output=json"):
            return True
        if word in ("-o", "--output") and arguments[at + 1 : at + 2] == ["json"]:
            return True
    return False


def _sentences(error: Exception) -> tuple[str, list[str], str]:
    """What is wrong, more about it, and what to do."""
    if isinstance(error, click.UsageError):
        return error.format_message(), [], f"{error.ctx.command_path if error.ctx else 'jobd'} --help"
    if isinstance(error, click.ClickException):
        return error.format_message(), [], ""
    cure = next((cure for kind, cure in _CURES if isinstance(error, kind)), "")
    if isinstance(error, errors.InvalidRequest) and error.faults:
        faults = [f"{fault['pointer'] or 'all of it'}: {fault['message']}" for fault in error.faults]
        return str(error).partition(": ")[0], faults, cure
    # the messages of jobd go on behind a semicolon, most of them with what to do
    what, _, more = str(error).rpartition("; ")
    return (what, [more], cure) if what else (more, [], cure)


def _problem(error: Exception) -> dict[str, Any]:
    if isinstance(error, errors.JobdError):
        from jobd.domain.rendering import error_to_json

        return error_to_json(error)
    detail = error.format_message() if isinstance(error, click.ClickException) else str(error)
    return {"type": "/problems/usage", "title": "Usage", "detail": detail, "code": "usage", "retryable": False}


def _word(text: str, colour: str) -> str:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb" or not sys.stderr.isatty()
    return text if plain else paint(text, colour)
