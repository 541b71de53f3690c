"""`jobd`: the command and its table of commands."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import click

from jobd import __version__
from jobd.cli import faults, streams
from jobd.cli.exits import Exit
from jobd.cli.lazy_group import Entry, LazyGroup
from jobd.errors import JobdError, PluginError

_ENTRIES: Mapping[str, Entry] = {
    "run": Entry("jobd.cli.run", "run", "Run jobs: all of jobd, or some roles of it."),
    "enqueue": Entry("jobd.cli.enqueue", "enqueue", "Enqueue a job."),
    "jobs": Entry("jobd.cli.jobs", "jobs", "List, show, change, cancel and retry jobs."),
    "queues": Entry(
        "jobd.cli.queues",
        "queues",
        "See how many jobs each queue has, and what it says of them; pause and clean queues.",
    ),
    "unique": Entry("jobd.cli.unique", "unique", "See which jobs have unique keys; free one."),
    "limits": Entry("jobd.cli.limits", "limits", "See and change what limits queues, groups, types and keys."),
    "workers": Entry("jobd.cli.workers", "workers", "See the worker processes, and tell them what to do."),
    "shards": Entry("jobd.cli.shards", "shards", "See the shards of the store, and let it have more."),
    "operations": Entry("jobd.cli.operations", "operations", "See what is being done to many jobs, and stop it."),
    "plugins": Entry("jobd.cli.plugins", "plugins", "See the installed plugins."),
    "help": Entry("jobd.cli.topics", "help_", "Explain a command or a topic."),
}
_ALIASES = {name.removesuffix("s"): name for name in ("jobs", "queues", "limits", "workers", "shards", "plugins")}


class Jobd(LazyGroup):
    """The root: commands of our own, those of plugins, and one way out for all errors."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Our own commands and those of plugins."""
        return [name for name, _ in self.summaries()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name; our own ones win."""
        if command := super().get_command(ctx, cmd_name):
            return command
        from jobd.cli.plugin_commands import installed, load

        entry = installed().get(cmd_name)
        if entry is None:
            return None
        try:
            return load(entry)
        except PluginError:
            if ctx.resilient_parsing:  # a shell that completes a word is no place for errors
                return None
            raise

    def summaries(self) -> list[tuple[str, str]]:
        """Our own commands, then those of plugins, which stay unloaded."""
        from jobd.cli.plugin_commands import installed, package_of

        foreign = [
            (name, f"From {package_of(entry)}.") for name, entry in installed().items() if name not in self.entries
        ]
        return [*super().summaries(), *foreign]

    def main(  # type: ignore[override]  # it never returns, and leaves out what only Windows' shells need
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Runs a command line and exits with its code."""
        arguments = list(sys.argv[1:] if args is None else args)
        if "_JOBD_COMPLETE" in os.environ:
            super().main(arguments, "jobd", **extra)
        try:
            code = self._obey(arguments, extra)
            sys.stdout.flush()
        except OSError as error:
            if not streams.is_of_output(error):
                raise
            streams.give_up_output()
            code = Exit.OK  # whoever reads has seen enough
            if not isinstance(error, BrokenPipeError):
                code = faults.tell_of_output(error, as_json=faults.wants_json(arguments))
        sys.exit(code)

    def _obey(self, arguments: list[str], extra: Mapping[str, Any]) -> int:
        try:
            with self.make_context("jobd", _with_run(arguments), **extra) as context:
                self.invoke(context)
        except click.exceptions.Exit as end:
            return end.exit_code
        except (KeyboardInterrupt, EOFError, click.Abort):
            return Exit.INTERRUPTED
        except click.exceptions.NoArgsIsHelpError as nothing:
            nothing.show()
            return Exit.USAGE
        except (click.ClickException, JobdError) as error:
            return faults.tell(error, as_json=faults.wants_json(arguments))
        return Exit.OK


def _with_run(arguments: list[str]) -> list[str]:
    """`jobd --role worker` is `jobd run --role worker`."""
    asks_role = any(word == "--role" or word.startswith("--role=") for word in arguments)
    return ["run", *arguments] if asks_role and arguments[0].startswith("-") else arguments


@click.command(
    cls=Jobd,
    entries=_ENTRIES,
    aliases=_ALIASES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  jobd run
  jobd enqueue send-email to=ada@example.org subject=Hello body=Hi
  jobd jobs list --status failed

More: jobd help exit-codes, jobd help output, jobd help environment.""",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def jobd() -> None:
    """Background jobs: run them, enqueue them, look after them."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The `jobd` program."""
    streams.make_ready()
    try:
        jobd.main(arguments)
    finally:
        gc.freeze()  # all ends with the process: looking for what is garbage would take a fifth of a short command
