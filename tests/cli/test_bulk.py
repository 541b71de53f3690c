"""Commands that act on all jobs that fit, and `jobd operations`."""

from __future__ import annotations

import pytest

from jobd.cli.exits import Exit
from jobd.domain.state import State
from jobd.sync import SyncClient
from tests.cli.conftest import Cli, Enqueue
from tests.hand_worker import HandWorker


@pytest.mark.requirement("2.12")
def test_all_failed_jobs_that_fit_are_retried(
    cli: Cli, enqueue: Enqueue, client: SyncClient, worker: HandWorker
) -> None:
    for name in ("one", "two"):
        enqueue(name, metadata={"tenant": "a"})
        worker.fail(worker.take("paint"), "ValueError", "wet")
    enqueue("three", queue="doors")
    worker.fail(worker.take("paint"), "ValueError", "wet")
    said = cli("jobs", "retry", "--queue", "walls", "--dry-run")
    assert sorted(line.split("\t")[0] for line in said.stdout.splitlines()) == ["one", "two"]
    assert said.stderr == "2 jobs would be meant; nothing was done\n"
    said = cli("jobs", "retry", "--metadata", "tenant=a")
    assert (said.exit_code, said.stdout) == (0, "2 done, 0 skipped, 0 failed\n")
    assert client.queues()["walls"][State.WAITING] == 2
    (row,) = cli("operations").stdout.splitlines()
    assert row.split("\t")[1:6] == ["retry", "done", "2", "0", "0"]
    listed = cli.json("operations", "show", row.split("\t")[0])
    assert isinstance(listed, dict)
    assert listed["done"] == 2


def test_jobs_are_cancelled_promoted_moved_and_deleted_by_filter(
    cli: Cli, enqueue: Enqueue, client: SyncClient
) -> None:
    for number in range(3):
        enqueue(f"j{number}", delay="1h", tags=["x"])
    assert cli("jobs", "promote", "--tag", "x", "--most", "2").stdout.startswith("2 done")
    assert cli("jobs", "move", "--queue", "walls", "--to", "doors").stdout.startswith("3 done")
    assert cli("jobs", "cancel", "--queue", "doors", "--reason", "no").stdout.startswith("3 done")
    assert cli("jobs", "delete", "--all").stdout.startswith("6 done")
    assert client.list().jobs == ()


@pytest.mark.threat("S19")
@pytest.mark.parametrize(
    "words", [["retry"], ["retry", "--status", "failed"], ["retry", "one", "--queue", "q"], ["move", "--to", "q"]]
)
def test_who_names_nothing_or_both_or_all_queues_by_accident_is_told(cli: Cli, words: list[str]) -> None:
    assert cli("jobs", *words).exit_code == 2


def test_a_job_to_which_it_cannot_be_done_is_told_by_the_exit_code(
    cli: Cli, enqueue: Enqueue, client: SyncClient
) -> None:
    enqueue("one", "bad type".replace(" ", "-"), tags=["x"])
    operation = client.operate("move", to="elsewhere", tags=["x"])
    client.remove("one")
    over = client.run_operation(operation.id)
    assert (over.done, over.failed) == (0, 0)
    assert cli("operations", "show", "nobody").exit_code == Exit.NOT_FOUND
    assert cli("operations", "cancel", over.id).stdout.split("\t")[2] == "done"


@pytest.mark.requirement("3.1")
def test_queues_are_drained_cleaned_and_obliterated(
    cli: Cli, enqueue: Enqueue, client: SyncClient, worker: HandWorker
) -> None:
    enqueue("done")
    worker.complete(worker.take("paint"))
    enqueue("waits")
    enqueue("later", delay="1h")
    assert cli("queues", "drain", "walls").stdout.startswith("1 done")
    assert cli("queues", "clean", "walls", "--older-than", "1h").stdout.startswith("0 done")
    assert cli("queues", "clean", "walls").stdout.startswith("1 done")
    assert cli("queues", "promote-delayed", "walls").stdout.startswith("1 done")
    worker.fail(worker.take("paint"), "ValueError", "wet")
    assert cli("queues", "retry-failed", "walls").stdout.startswith("1 done")
    worker.take("paint")
    assert cli("queues", "obliterate", "walls", "--dry-run").stdout == "1 would be removed\n"
    assert cli("queues", "obliterate", "walls", "--yes").exit_code == Exit.CONFLICT
    unasked = cli("queues", "obliterate", "walls", "--force")
    assert (unasked.exit_code, "all 1 of its jobs" in unasked.stderr) == (Exit.USAGE, True)
    assert cli("queues", "obliterate", "walls", "--force", "--yes").stdout == "1 removed\n"
    assert cli("queues", "obliterate", "walls").stdout == "0 removed\n"
    assert client.queues()["walls"].unfinished == 0


def test_all_that_fit_are_changed_in_what_is_named(cli: Cli, enqueue: Enqueue, client: SyncClient) -> None:
    enqueue("one", metadata={"tenant": 5})
    enqueue("two", metadata={"tenant": 5}, tags=["x"])
    enqueue("three", metadata={"tenant": 6})
    where = ["jobs", "edit-all", "--where", "queue=walls", "--where", "metadata.tenant:=5"]
    changes = ["--priority", "low", "--delay", "1h", "coats:=2"]
    said = cli(*where, *changes, "--dry-run")
    assert said.stderr == "2 jobs would be meant; nothing was done\n"
    assert cli(*where, *changes).stdout == "2 done, 0 skipped, 0 failed\n"
    for name in ("one", "two"):
        job = client.get(name)
        assert (job.data, job.priority, job.status) == ({"wall": "north", "coats": 2}, 7, State.DELAYED)
    assert client.get("three").priority == 5
    assert cli("jobs", "edit-all", "--where", "tag=x", "--where", "status=delayed", "--front", "true").exit_code == 0
    assert client.get("two").options.front


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--priority", "1"], "--where"),
        (["--all", "--where", "queue=q", "--priority", "1"], "--where"),
        (["--where", "colour=red", "--priority", "1"], "there is no field 'colour'"),
        (["--where", "queue=a", "--where", "queue=b", "--priority", "1"], "queue is given twice"),
        (["--where", "date=soon", "--priority", "1"], "soon"),
        (["--all"], "a change needs options or fields of the data"),
        (["--queue", "letters", "--priority", "1"], "--where queue=…; to another queue they go by `jobd jobs move`"),
    ],
)
def test_a_change_of_many_that_makes_no_sense_is_refused(cli: Cli, words: list[str], said: str) -> None:
    result = cli("jobs", "edit-all", *words)
    assert result.exit_code != 0
    assert said in result.stderr
