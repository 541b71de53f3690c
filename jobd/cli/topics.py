"""`jobd help …`: topics that belong to no single command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, get_args

import click

from jobd.cli.exits import MEANINGS
from jobd.domain.duration import spoken

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_OUTPUT = """\
Data goes to standard output, all else (notes, errors) to standard error.

  --output table   aligned columns, relative times, colours; the default on a terminal
  --output tsv     a row a line, its cells separated by tabs, without a head, nothing cut; the default elsewhere
  --output json    the field names of the HTTP API, which stay; the columns of tables may change

Where the terminal is too narrow, notes go below their rows, columns that say nothing or matter least are left out, and
names lose their ends (…); tsv and json have all. Ids are never cut.

Times in tsv and JSON are RFC 3339 in UTC, and durations whole milliseconds in fields named …_ms.
With --output json an error is a problem object (RFC 9457) on standard error.

Colours are off where NO_COLOR is set, TERM is dumb, or the output is no terminal; FORCE_COLOR turns them on."""


@click.command(
    "help",
    epilog="""\b
Examples:
  jobd help exit-codes
  jobd help jobs list

Topics: exit-codes, output, environment.""",
)
@click.argument("words", metavar="[TOPIC|COMMAND...]", nargs=-1)
@click.pass_context
def help_(context: click.Context, words: tuple[str, ...]) -> None:
    """Explain a command or a topic."""
    if len(words) == 1 and words[0] in _TOPICS:
        for line in _TOPICS[words[0]]():
            click.echo(line)
        return
    click.echo(_help_of(context.find_root(), words))


def _help_of(context: click.Context, words: tuple[str, ...]) -> str:
    command = context.command
    for word in words:
        if not isinstance(command, click.Group):
            raise click.UsageError(f"{context.command_path} has no commands of its own", context)
        name, found, _ = command.resolve_command(context, [word])
        if found is None:
            raise click.UsageError(f"there is no command {word!r}", context)
        command, context = found, click.Context(found, context, info_name=name)
    return command.get_help(context)


def _exit_codes() -> Iterator[str]:
    for code, meaning in MEANINGS.items():
        yield f"{int(code):>4}  {meaning}"


def _output() -> Iterator[str]:
    yield _OUTPUT


def _environment() -> Iterator[str]:
    """The settings, each by its name in the environment."""
    from pydantic import BaseModel

    from jobd.settings import Settings

    yield "Settings come from flags, else the environment and .env, else the configuration file (TOML), else defaults."
    yield "JOBD_WORKER__GRACE is `grace` under [worker] in the file that JOBD_CONFIG names, else jobd.toml here."
    yield ""
    for name, setting in Settings.model_fields.items():
        section = setting.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            for inner, inner_setting in section.model_fields.items():
                yield _setting(f"JOBD_{name}__{inner}", inner_setting)
        else:
            yield _setting(f"JOBD_{name}", setting)


def _setting(name: str, setting: FieldInfo) -> str:
    from jobd.settings.values import Milliseconds

    default = setting.get_default(call_default_factory=True)
    if isinstance(default, int) and set(get_args(Milliseconds)) & set(setting.metadata):
        default = spoken(default)
    told = f"(default {default})" if default not in (None, (), {}) else ""
    return f"  {name.upper():<32} {' '.join(filter(None, (setting.description, told)))}".rstrip()


_TOPICS: Mapping[str, Callable[[], Iterator[str]]] = {
    "exit-codes": _exit_codes,
    "output": _output,
    "environment": _environment,
}
