"""How the command line starts: at once, and whatever is broken elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

from jobd import __version__
from jobd.cli.main import jobd
from tests.cli.conftest import Cli

HEAVY = ("aiohttp", "redis", "pydantic", "asyncio", "anyio", "orjson", "sqlalchemy")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from jobd.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: code = end.code\n"
        f"print(code, sorted(set({HEAVY!r}) & set(sys.modules)), 'jobd.cli.jobs' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "0 [] False"


def test_help_of_a_command_imports_nothing_heavy_either() -> None:
    program = (
        "import sys; from jobd.cli.main import main\n"
        "for words in (['run', '--help'], ['jobs', 'list', '--help'], ['enqueue', '--help'], ['plugins', '--help']):\n"
        "    try: main(words)\n"
        "    except SystemExit as end: assert end.code == 0\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_it_runs_as_a_module_and_says_its_version(cli: Cli) -> None:
    done = cli.process("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"jobd {__version__}\n", "")


def test_commands_that_talk_to_the_store_do_not_import_the_http_server() -> None:
    program = "import sys, jobd.client, jobd.settings, jobd.cli.jobs; print('aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("words", [["queues"], ["jobs", "list"], ["workers"]])
def test_commands_that_only_look_load_no_plugin_and_nothing_that_takes_long(cli: Cli, words: list[str]) -> None:
    program = (
        "import sys; from jobd.cli.main import main\n"
        f"try: main({words!r})\n"
        "except SystemExit as end: assert end.code == 0\n"
        "slow = {'aiohttp', 'anyio', 'pluggy', 'jobd.catalog', 'jobd.intake', 'jobd.store.server_process'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, **cli.environment},
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_without_a_command_it_shows_its_help(cli: Cli) -> None:
    result = cli()
    assert result.exit_code == 2
    assert "jobd enqueue send-email" in result.stderr
    assert result.stdout == ""


def test_a_mistyped_command_names_the_nearest(cli: Cli) -> None:
    result = cli("jbos", "list")
    assert result.exit_code == 2
    assert result.stderr == "Error: No such command 'jbos'. Did you mean 'jobs'?\nTry:   jobd --help\n"


def test_singular_nouns_work_and_are_not_advertised(cli: Cli) -> None:
    assert cli("queue", "list").exit_code == 0
    assert cli("job", "list").exit_code == 0
    assert cli("worker").exit_code == 0
    listed = {line.split()[0] for line in cli("--help").stdout.partition("Commands:\n")[2].splitlines() if line.strip()}
    assert {"queues", "jobs", "workers", "plugins"} <= listed
    assert {"queue", "job", "worker", "plugin"}.isdisjoint(listed)


def test_shells_can_complete_words(cli: Cli) -> None:
    done = cli.process(_JOBD_COMPLETE="bash_complete", COMP_WORDS="jobd jobs re", COMP_CWORD="2")
    assert done.stdout.split() == ["plain,reschedule", "plain,result", "plain,retry"]


def test_the_table_of_commands_says_what_their_help_says() -> None:
    context = click.Context(jobd)
    for name, summary in jobd.summaries():
        command = jobd.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(200) == summary
