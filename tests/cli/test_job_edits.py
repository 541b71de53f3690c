"""`jobd jobs edit`, `promote`, `reschedule`, `move`, `duplicate`, `delete`."""

from __future__ import annotations

from jobd.domain.state import State
from jobd.errors import JobNotFound
from jobd.sync import SyncClient
from tests.cli.conftest import Cli, Enqueue
from tests.hand_worker import HandWorker


def test_a_job_is_edited_in_what_is_named(cli: Cli, enqueue: Enqueue, client: SyncClient) -> None:
    enqueue("one", delay="1h", tags=["a"])
    assert cli("jobs", "edit", "one", "--priority", "high", "colour=red", "coats:=2").exit_code == 0
    job = client.get("one")
    assert (job.priority, job.data, job.tags) == (3, {"wall": "north", "colour": "red", "coats": 2}, ("a",))
    cli("jobs", "edit", "one", "--data", '{"wall":"south"}', "--retries", "0")
    job = client.get("one")
    assert (job.data, job.max_attempts, job.status) == ({"wall": "south"}, 1, State.DELAYED)
    refused = cli("jobs", "edit", "one", "--queue", "doors")
    assert (refused.exit_code, "`jobd jobs move ID --to QUEUE`" in refused.stderr) == (2, True)
    assert "--queue NAME" not in cli("jobs", "edit", "--help").stdout
    assert cli("jobs", "edit", "nobody", "--priority", "1").exit_code == 3


def test_jobs_are_promoted_and_rescheduled(cli: Cli, enqueue: Enqueue, client: SyncClient) -> None:
    enqueue("one", delay="1h")
    enqueue("two", delay="1h")
    assert cli("jobs", "promote", "-", stdin="one\ntwo\n").exit_code == 0
    assert [client.get(name).status for name in ("one", "two")] == [State.WAITING, State.WAITING]
    cli("jobs", "reschedule", "one", "2100-01-31T08:00:00Z")
    cli("jobs", "reschedule", "two", "2h")
    assert [client.get(name).status for name in ("one", "two")] == [State.DELAYED, State.DELAYED]
    assert client.get("one").run_at.year == 2100


def test_jobs_are_moved_and_the_new_ones_told(cli: Cli, enqueue: Enqueue, client: SyncClient) -> None:
    enqueue("one")
    said = cli.json("jobs", "move", "one", "--to", "doors", "--reason", "wrong queue")
    assert isinstance(said, dict)
    (new,) = said["data"]
    assert (new["queue"], new["origin"]) == ("doors", "one")
    assert client.get("one").moved_to == new["id"]
    assert f"moved to   {new['id']}" in cli("jobs", "show", "one", "-o", "table").stdout
    assert cli("jobs", "move", "one", "--to", "doors").exit_code == 5


def test_a_job_is_duplicated_with_other_data(cli: Cli, enqueue: Enqueue, client: SyncClient) -> None:
    enqueue("one", tags=["a"])
    assert cli("jobs", "duplicate", "one", "--id", "two", "--queue", "doors", "coats:=2").exit_code == 0
    job = client.get("two")
    assert (job.queue, job.data, job.tags, job.origin) == ("doors", {"wall": "north", "coats": 2}, ("a",), "one")


def test_jobs_are_deleted_unless_they_run(cli: Cli, enqueue: Enqueue, client: SyncClient, worker: HandWorker) -> None:
    enqueue("runs")
    worker.take("paint")
    enqueue("waits")
    result = cli("jobs", "delete", "runs", "waits")
    assert result.exit_code == 5
    assert "active" in result.stderr
    assert client.get("runs").status is State.ACTIVE
    try:
        client.get("waits")
    except JobNotFound:
        return
    raise AssertionError("it is still there")


def test_a_script_speaks_for_the_job_that_started_it(
    cli: Cli, enqueue: Enqueue, client: SyncClient, worker: HandWorker
) -> None:
    enqueue("one")
    assert cli("jobs", "note", "one", "too early").exit_code == 5
    worker.take("paint")
    assert cli("jobs", "progress", "one", "30", "--total", "120", "--message", "the wall").exit_code == 0
    progress = client.progress("one")
    assert progress is not None
    assert (progress.percent, progress.message) == (25, "the wall")
    assert cli("jobs", "note", "one", "wet", "--level", "warning", "coats:=2").exit_code == 0
    (line,) = client.logs("one")
    assert (line.level, line.text, line.fields) == ("warning", "wet", {"coats": 2})
    assert cli("jobs", "note", "one", "wet", "--level", "loud").exit_code == 2
