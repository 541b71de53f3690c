"""`jobd plugins list`, and commands that plugins bring. The plugins are real packages, laid out as pip leaves them."""

from __future__ import annotations

import re

import orjson
import pytest

from jobd.cli.exits import Exit
from tests.cli.conftest import PROJECT, Cli
from tests.cli.packages import Packages


@pytest.fixture
def cli(packages: Packages) -> Cli:
    return Cli({"PYTHONPATH": f"{PROJECT}:{packages.folder}"})


BROKEN = """\
    [jobd]
    broken = jobd_broken
    [jobd.commands]
    broken = jobd_broken:command
    """


def listed(cli: Cli, **environment: str) -> tuple[int, dict[str, dict[str, object]]]:
    done = cli.process("plugins", "list", "-o", "json", **environment)
    return done.returncode, {row["name"]: row for row in orjson.loads(done.stdout)["data"]}


@pytest.mark.requirement("1.2")
def test_a_plugin_is_listed_with_what_it_offers(cli: Cli) -> None:
    _, rows = listed(cli)
    assert rows["walls"] == {
        "name": "walls",
        "package": "jobd-walls",
        "version": "1.2.3",
        "active": True,
        "job_types": ["paint"],
        "hooks": ["jobd_job_types"],
        "commands": ["walls"],
        "errors": [],
    }


def test_a_plugin_that_settings_leave_out_is_listed_as_such(cli: Cli) -> None:
    _, rows = listed(cli, JOBD_WITHOUT="walls")
    assert (rows["walls"]["active"], rows["walls"]["job_types"]) == (False, [])


@pytest.mark.threat("S45")
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def f(:", "SyntaxError"),
        ("import jobd\n@jobd.hookimpl\ndef jobd_job_typos(): return []\ncommand = None", "jobd_job_typos"),
        ("import jobd\n@jobd.hookimpl\ndef jobd_job_types(): return [len]\ncommand = None", "decorate the function"),
        (
            "import jobd\n@jobd.job('x')\ndef f(ctx: jobd.Contxt): ...\n"
            "@jobd.hookimpl\ndef jobd_job_types(): return [f]\ncommand = None",
            "Contxt",
        ),
    ],
)
def test_a_plugin_that_is_broken_is_listed_with_the_reason_and_breaks_no_other(
    cli: Cli, packages: Packages, code: str, reason: str
) -> None:
    packages.install("jobd-broken", BROKEN, code)
    exit_code, rows = listed(cli)
    assert exit_code == Exit.ERROR
    assert reason in str(rows["broken"]["errors"])
    assert rows["broken"]["active"] is False
    assert (rows["walls"]["active"], rows["walls"]["errors"]) == (True, [])


def test_the_reason_is_told_in_full(cli: Cli, packages: Packages) -> None:
    packages.install("jobd-broken", BROKEN, "raise RuntimeError('the paint shop is closed')")
    done = cli.process("plugins", "-o", "table")
    assert done.returncode == Exit.ERROR
    assert "broken" in done.stdout
    assert "RuntimeError: the paint shop is closed" in done.stdout


def test_a_package_that_brings_only_commands_is_listed_too(cli: Cli, packages: Packages) -> None:
    packages.install("paintbox", "[jobd.commands]\nbox = paintbox:box\n", "import click\nbox = click.Command('box')")
    _, rows = listed(cli)
    assert (rows["box"]["package"], rows["box"]["commands"], rows["box"]["job_types"]) == ("paintbox", ["box"], [])


def test_the_command_of_a_plugin_runs(cli: Cli) -> None:
    done = cli.process("walls", "blue")
    assert (done.returncode, done.stdout, done.stderr) == (0, "all walls are blue\n", "")
    assert "Says a colour." in cli.process("help", "walls").stdout


def test_help_names_the_commands_of_plugins_without_loading_them(cli: Cli, packages: Packages) -> None:
    packages.install("jobd-broken", BROKEN, "raise RuntimeError('loaded')")
    done = cli.process("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^  walls +From jobd-walls\.$", done.stdout, re.MULTILINE)
    assert re.search(r"^  broken +From jobd-broken\.$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('the paint shop is closed')", "RuntimeError: the paint shop is closed"),
        ("command = 'paint'", "its entry point must name a click command"),
        ("", "AttributeError"),
    ],
)
def test_a_broken_command_says_so_when_it_is_used_and_breaks_no_other(
    cli: Cli, packages: Packages, code: str, reason: str
) -> None:
    packages.install("jobd-broken", BROKEN, code)
    broken = cli.process("broken", "--help")
    assert (broken.returncode, broken.stdout) == (Exit.ERROR, "")
    assert "the command 'broken' of jobd-broken" in broken.stderr
    assert reason in broken.stderr
    assert "Traceback" not in broken.stderr
    assert cli.process("walls", "red").returncode == 0
    assert cli.process("help", "exit-codes").returncode == 0


@pytest.mark.threat("S45")
def test_our_own_commands_cannot_be_taken_over(cli: Cli, packages: Packages) -> None:
    packages.install("taker", "[jobd.commands]\njobs = taker:jobs\n", "raise RuntimeError('loaded')")
    done = cli.process("jobs", "--help")
    assert (done.returncode, "Without a command it lists them." in done.stdout) == (0, True)
