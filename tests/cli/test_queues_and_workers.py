"""`jobd queues` and `jobd workers`."""

from __future__ import annotations

import pytest

from jobd.cli.exits import Exit
from jobd.sync import SyncClient
from tests.cli.conftest import Cli, Enqueue
from tests.hand_worker import HandWorker


@pytest.mark.requirement("3.1")
@pytest.mark.usefixtures("worker")
def test_queues_are_listed_with_their_counts(cli: Cli, enqueue: Enqueue, client: SyncClient) -> None:
    enqueue("one")
    enqueue("two")
    enqueue("later", delay="1h", queue="doors")
    client.cancel("two")
    assert cli("queues").stdout == "doors\t0\t1\t0\t0\t0\t0\t0\t\t\nwalls\t1\t0\t0\t0\t0\t0\t1\t\t\n"
    assert cli("queues", "list", "-o", "table").stdout.splitlines() == [
        "QUEUE  WAITING  DELAYED  BLOCKED  ACTIVE  COMPLETED  FAILED  CANCELLED",
        "doors        0        1        0       0          0       0          0",
        "walls        1        0        0       0          0       0          1",
    ]
    listed = cli.json("queues")
    assert isinstance(listed, dict)
    assert [(queue["name"], queue["counts"]["waiting"]) for queue in listed["data"]] == [("doors", 0), ("walls", 1)]


def test_jobs_that_nobody_takes_are_told_with_the_reason(cli: Cli, enqueue: Enqueue) -> None:
    job_id = enqueue("one")
    assert cli("queues").stdout.endswith("\tno worker runs; start `jobd run`\n")
    assert "  waits      no worker runs; start `jobd run`\n" in cli("jobs", "show", job_id).stdout
    shown = cli.json("jobs", "show", job_id)
    assert isinstance(shown, dict)
    assert shown["hint"] == "no worker runs; start `jobd run`"


def test_a_store_without_jobs_has_no_queues(cli: Cli) -> None:
    assert cli.json("queues") == {"data": [], "page": {"limit": 0, "next_cursor": None}}
    assert cli("queues", "-o", "table").stderr == "there are no queues yet; the first job makes one\n"


@pytest.mark.requirement("3.5")
def test_workers_are_listed_with_what_they_hold(cli: Cli, enqueue: Enqueue, worker: HandWorker) -> None:
    enqueue("one")
    worker.take("paint")
    (row,) = cli("workers").stdout.splitlines()
    cells = row.split("\t")
    assert [*cells[:5], cells[6]] == [worker.name, "here", "4711", "*", "1/10", "alive"]
    listed = cli.json("workers", "list")
    assert isinstance(listed, dict)
    (member,) = listed["data"]
    assert (member["id"], member["active"], member["alive"], member["about"]["host"]) == (worker.name, 1, True, "here")


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({"stuck": 3, "leaving": False}, "3 stuck"),
        ({"stuck": 3, "leaving": True}, "leaving, 3 stuck"),
        ({"stuck": 0, "leaving": True}, "leaving"),
        ({"stuck": 0, "leaving": False}, "alive"),
        ({"quiet": True}, "quiet"),
    ],
)
def test_a_worker_whose_handlers_heed_no_stop_shows_how_many(
    cli: Cli, worker: HandWorker, facts: dict[str, object], state: str
) -> None:
    assert worker.describe(**facts)
    (row,) = cli("workers").stdout.splitlines()
    assert row.split("\t")[6] == state


@pytest.mark.parametrize("what", ["quiet", "stop", "restart"])
def test_workers_are_told_what_to_do(cli: Cli, worker: HandWorker, what: str) -> None:
    assert cli("workers", what, worker.name).stdout == f"{worker.name}\t{what}\n"
    assert cli.json("workers", what, "--all") == {"asked": what, "workers": [worker.name]}
    assert cli("workers", what, "nobody").exit_code == Exit.NOT_FOUND
    for words in ([], [worker.name, "--all"]):
        assert cli("workers", what, *words).exit_code == 2


def test_where_no_worker_runs_it_says_what_to_do(cli: Cli) -> None:
    assert cli("workers", "-o", "table").stderr == "no worker runs; start `jobd run`\n"


@pytest.mark.requirement("3.1")
@pytest.mark.usefixtures("worker")
def test_queues_groups_and_types_are_paused_and_resumed(cli: Cli, enqueue: Enqueue) -> None:
    enqueue("one")
    said = cli("queues", "pause", "walls", "--reason", "wet", "--by", "ada", "--until", "2100-01-01T00:00:00Z")
    assert said.stdout == "queue walls\tada\t2100-01-01T00:00:00.000Z\twet\n"
    cli("queues", "pause", "walls", "--group", "tenant 42")
    cli("queues", "pause", "--type", "paint", "--until", "600")  # seconds, as everywhere
    assert cli("queues").stdout == (
        "walls\t1\t0\t0\t0\t0\t0\t0\twet, by ada, until 2100-01-01T00:00:00.000Z; 1 group\t\n"
    )
    assert [line.split("\t")[0] for line in cli("queues", "pauses").stdout.splitlines()] == [
        "group tenant 42 of queue walls",
        "queue walls",
        "type paint",
    ]
    for words, what in (
        (["walls"], "queue walls"),
        (["walls", "--group", "tenant 42"], "group tenant 42 of queue walls"),
        (["--type", "paint"], "type paint"),
    ):
        assert cli("queues", "resume", *words).stderr == f"{what} is not paused now\n"
    assert cli("queues", "pauses", "-o", "table").stderr == "nothing is paused\n"


@pytest.mark.parametrize("words", [[], ["--type", "paint", "walls"], ["walls", "--until", "soon"]])
def test_a_pause_that_names_nothing_or_both_is_a_usage_error(cli: Cli, words: list[str]) -> None:
    assert cli("queues", "pause", *words).exit_code == 2
