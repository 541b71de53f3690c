"""`jobd queues` and `jobd workers`."""

from __future__ import annotations

import pytest

from jobd.sync import SyncClient
from tests.cli.conftest import Cli, Enqueue
from tests.hand_worker import HandWorker


@pytest.mark.requirement("3.1")
def test_queues_are_listed_with_their_counts(cli: Cli, enqueue: Enqueue, client: SyncClient) -> None:
    enqueue("one")
    enqueue("two")
    enqueue("later", delay="1h", queue="doors")
    client.cancel("two")
    assert cli("queues").stdout == "doors\t0\t1\t0\t0\t0\t0\t0\nwalls\t1\t0\t0\t0\t0\t0\t1\n"
    assert cli("queues", "list", "-o", "table").stdout.splitlines() == [
        "QUEUE  WAITING  DELAYED  BLOCKED  ACTIVE  COMPLETED  FAILED  CANCELLED",
        "doors        0        1        0       0          0       0          0",
        "walls        1        0        0       0          0       0          1",
    ]
    listed = cli.json("queues")
    assert isinstance(listed, dict)
    assert [(queue["name"], queue["counts"]["waiting"]) for queue in listed["data"]] == [("doors", 0), ("walls", 1)]


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
    ],
)
def test_a_worker_whose_handlers_heed_no_stop_shows_how_many(
    cli: Cli, worker: HandWorker, facts: dict[str, object], state: str
) -> None:
    assert worker.describe(**facts)
    (row,) = cli("workers").stdout.splitlines()
    assert row.split("\t")[6] == state


def test_where_no_worker_runs_it_says_what_to_do(cli: Cli) -> None:
    assert cli("workers", "-o", "table").stderr == "no worker runs; start `jobd run`\n"
