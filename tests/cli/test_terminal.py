"""What people see on a terminal: colours, and peace after Ctrl-C."""

from __future__ import annotations

import click
import pytest

from jobd.cli.exits import Exit
from tests.cli.conftest import Cli, Enqueue
from tests.cli.terminal import Terminal
from tests.hand_worker import HandWorker

CTRL_C = b"\x03"


@pytest.fixture
def failed(enqueue: Enqueue, worker: HandWorker) -> str:
    """The id of a failed job."""
    enqueue("wall-1", max_attempts=1)
    worker.fail(worker.take("paint"), "ValueError", "the wall is wet, and so is everything else around here")
    return "wall-1"


def test_a_terminal_gets_a_coloured_table_of_its_width(cli: Cli, failed: str) -> None:
    with Terminal("jobs", "list", environment=cli.environment, columns=80) as terminal:
        assert terminal.end() == 0
    head, row, note = terminal.shown.splitlines()
    assert head.startswith(click.style("ID", bold=True))
    assert click.style("failed", fg="red") in row
    assert failed in row
    assert note == "    ValueError: the wall is wet, and so is everything else around here"


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_colours_can_be_refused(cli: Cli, failed: str, plain: dict[str, str]) -> None:
    with Terminal("jobs", "list", environment={**cli.environment, **plain}) as terminal:
        assert terminal.end() == 0
    assert "failed" in terminal.shown
    assert "\x1b" not in terminal.shown
    with Terminal("jobs", "show", "nobody", environment={**cli.environment, **plain}) as terminal:
        assert terminal.end() == Exit.NOT_FOUND
    assert "\x1b" not in terminal.shown


def test_colours_can_be_asked_for_where_there_is_no_terminal(cli: Cli, failed: str) -> None:
    assert click.style("failed", fg="red") in cli.process("jobs", "show", failed, FORCE_COLOR="1").stdout
    assert "\x1b" not in cli.process("jobs", "show", failed).stdout


@pytest.mark.usefixtures("worker")
def test_after_an_enqueue_people_are_told_how_to_follow_the_job(cli: Cli) -> None:
    with Terminal("enqueue", "paint", "--queue", "walls", "--id", "wall-1", environment=cli.environment) as terminal:
        assert terminal.end() == 0
    assert terminal.shown == "wall-1\npaint waits in queue walls; `jobd jobs show wall-1` follows it\n"


def test_who_enqueues_what_nobody_takes_is_told(cli: Cli) -> None:
    with Terminal("enqueue", "paint", "--queue", "walls", "--id", "wall-1", environment=cli.environment) as terminal:
        assert terminal.end() == 0
    assert terminal.shown.endswith("\nno worker runs; start `jobd run`\n")


@pytest.mark.usefixtures("worker")
def test_ctrl_c_ends_a_wait_quietly(cli: Cli) -> None:
    words = ("enqueue", "paint", "--queue", "walls", "--id", "wall-1", "--wait")
    with Terminal(*words, environment=cli.environment) as terminal:
        terminal.read_until("paint wall-1\n")
        terminal.press(CTRL_C)
        assert terminal.end() == Exit.INTERRUPTED
    assert terminal.shown.removeprefix("paint wall-1\n").strip("\n") in ("", "^C")
