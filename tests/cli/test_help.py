"""What help says, and that it is true."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
import pytest

from jobd.cli.exits import MEANINGS, Exit
from jobd.cli.main import _with_run, jobd
from jobd.settings import Settings
from tests.cli.conftest import Cli


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name="jobd")
        for name in command.list_commands(context):
            if found := command.get_command(context, name):
                yield from commands(found, (*path, name))


ALL = [pytest.param(path, command, id=" ".join(("jobd", *path))) for path, command in commands(jobd)]


def examples_of(command: click.Command) -> list[list[list[str]]]:
    """For each example the jobd commands in it, as words; what a shell does with < and | is left out."""
    lines = [line for line in (command.epilog or "").splitlines() if line.startswith("  jobd ")]
    parts = [[part.partition("<")[0].strip() for part in line.split(" | ")] for line in lines]
    return [[shlex.split(part)[1:] for part in line if part.startswith("jobd ")] for line in parts]


@pytest.mark.parametrize(("path", "command"), ALL)
def test_every_command_has_two_examples_that_can_be_typed(path: tuple[str, ...], command: click.Command) -> None:
    examples = examples_of(command)
    assert len(examples) >= 2
    for line in examples:
        for words in line:
            parse(jobd, "jobd", _with_run(words))
        assert any(tuple(_with_run(words)[: len(path)]) == path for words in line)


def parse(command: click.Command, name: str, words: list[str], parent: click.Context | None = None) -> None:
    """Parses as far as the last command, and runs none."""
    context = command.make_context(name, list(words), parent=parent)
    if isinstance(command, click.Group):
        _, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        parse(found, found.name or "", rest, context)


@pytest.mark.parametrize(("path", "command"), ALL)
def test_help_says_the_same_in_both_ways(cli: Cli, path: tuple[str, ...], command: click.Command) -> None:
    by_option, by_command = cli(*path, "--help"), cli("help", *path)
    assert by_option.exit_code == by_command.exit_code == 0
    assert by_option.stdout == by_command.stdout
    assert "Examples:\n    jobd " in by_option.stdout
    assert max(map(len, by_option.stdout.splitlines())) <= 100


@pytest.mark.parametrize(("path", "command"), [row for row in ALL if isinstance(row.values[1], click.Group)])
def test_the_list_of_commands_cuts_no_sentence_off(cli: Cli, path: tuple[str, ...], command: click.Command) -> None:
    listed = cli(*path, "--help").stdout.partition("Commands:")[2].partition("Examples:")[0]
    assert "..." not in listed
    assert listed.rstrip().endswith(".")


def test_every_exit_code_is_explained(cli: Cli) -> None:
    told = cli("help", "exit-codes").stdout
    assert set(MEANINGS) == set(Exit)
    assert all(f"{code:>4}  {MEANINGS[code]}\n" in told for code in Exit)


def test_every_setting_is_listed_with_its_name_in_the_environment(cli: Cli) -> None:
    told = cli("help", "environment").stdout
    assert all(f"  JOBD_{name.upper()}" in told for name in Settings.model_fields)
    assert "JOBD_WORKER__GRACE               how long running jobs may take to end at shutdown (default 25s)" in told


def test_the_forms_of_output_are_explained(cli: Cli) -> None:
    assert "RFC 3339" in cli("help", "output").stdout


def test_an_unknown_topic_is_a_usage_error(cli: Cli) -> None:
    result = cli("help", "jobs", "lst")
    assert result.exit_code == 2
    assert "No such command 'lst'. Did you mean" in result.stderr
