"""`jobd jobs …` against a real store, with a worker whose moves the tests make."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import orjson
import pytest

from jobd.cli.exits import Exit
from jobd.domain.ids import is_made_id
from jobd.domain.rendering import job_to_json
from jobd.sync import SyncClient
from tests.cli.conftest import Cli, Enqueue
from tests.hand_worker import HandWorker

A_MADE_ID = "01KAMWZY9SVJ3Y4S5QKZ8J6T2N"
FRAMES = 'Traceback (most recent call last):\n  File "paint.py", line 7, in paint\nValueError: the wall is wet'


def ids_of(listed: object) -> list[str]:
    assert isinstance(listed, dict)
    return [job["id"] for job in listed["data"]]


@pytest.mark.requirement("2.1")
def test_jobs_are_listed_by_status_type_queue_and_day(cli: Cli, enqueue: Enqueue, worker: HandWorker) -> None:
    enqueue("first")
    enqueue("second", "plaster", queue="repairs")
    enqueue("later", delay="1h")
    worker.take("plaster")
    assert ids_of(cli.json("jobs", "list")) == ["second", "first", "later"]
    assert ids_of(cli.json("jobs", "list", "--status", "running")) == ["second"]
    assert ids_of(cli.json("jobs", "list", "--status", "waiting", "--status", "scheduled")) == ["first", "later"]
    assert ids_of(cli.json("jobs", "list", "--type", "plaster")) == ["second"]
    assert ids_of(cli.json("jobs", "list", "--queue", "walls")) == ["first", "later"]
    today = datetime.now(UTC).date().isoformat()
    assert len(ids_of(cli.json("jobs", "list", "--date", today))) == 3
    assert ids_of(cli.json("jobs", "list", "--date", "2020-01-31")) == []


def test_json_has_the_names_of_the_api(cli: Cli, enqueue: Enqueue, client: SyncClient) -> None:
    enqueue("only")
    listed = cli.json("jobs", "list")
    assert listed == {
        "data": [orjson.loads(orjson.dumps(job_to_json(client.get("only"))))],
        "page": {"limit": 50, "next_cursor": None},
        "meta": {"scanned": 1, "complete": True},
    }


def test_a_long_list_goes_on_from_its_cursor(cli: Cli, enqueue: Enqueue) -> None:
    for number in range(5):
        enqueue(f"job-{number}")
    first = cli("jobs", "list", "--limit", "3")
    assert [line.split("\t")[0] for line in first.stdout.splitlines()] == ["job-0", "job-1", "job-2"]
    cursor = re.fullmatch(r"there may be more: add --cursor (\S+)\n", first.stderr)
    assert cursor is not None
    second = cli("jobs", "list", "--limit", "3", "--cursor", cursor[1])
    assert [line.split("\t")[0] for line in second.stdout.splitlines()] == ["job-3", "job-4"]


def test_rows_for_programs_have_whole_values_and_no_head(cli: Cli, enqueue: Enqueue, client: SyncClient) -> None:
    enqueue("only", priority="high")
    created = job_to_json(client.get("only"))["created_at"]
    assert cli("jobs", "list").stdout == f"only\tpaint\twalls\twaiting\t0/4\t3\t{created}\t\n"


def test_a_table_says_it_as_people_do(cli: Cli, enqueue: Enqueue, worker: HandWorker) -> None:
    enqueue("broken", max_attempts=1)
    worker.fail(worker.take("paint"), "ValueError", "the wall is wet")
    enqueue("soon", delay="2h")
    enqueue("running")
    worker.progress(worker.take("paint"), done=2, total=5, message="second coat")
    table = cli("jobs", "list", "-o", "table").stdout.splitlines()
    assert table[0].split() == ["ID", "TYPE", "QUEUE", "STATUS", "ATTEMPT", "PRIORITY", "CREATED", "NOTE"]
    assert [re.split(r" {2,}", line)[-1] for line in table[1:]] == [
        "40% second coat",
        "in 1h",
        "ValueError: the wall is wet",
    ]


def test_an_empty_list_says_so_beside_the_data(cli: Cli) -> None:
    assert (cli("jobs", "list").stdout, cli("jobs", "list").stderr) == ("", "")
    result = cli("jobs", "list", "-o", "table")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "there are no such jobs\n")


def test_a_status_that_does_not_exist_is_a_usage_error_that_names_those_that_do(cli: Cli) -> None:
    result = cli("jobs", "list", "--status", "sleeping")
    assert result.exit_code == Exit.USAGE
    assert "there is no status 'sleeping'" in result.stderr
    assert "pending" in result.stderr


@pytest.mark.requirement("2.6")
def test_show_puts_everything_on_one_screen(cli: Cli, enqueue: Enqueue, worker: HandWorker) -> None:
    enqueue("wall-1", tags=["outside"], metadata={"customer": 7}, timeout="90s", max_attempts=1)
    delivery = worker.take("paint")
    worker.progress(delivery, done=1, total=4, message="first coat")
    worker.log(delivery, "warning", "paint is low", litres=0.5)
    while_it_runs = cli("jobs", "show", "wall-1").stdout
    assert while_it_runs.splitlines()[0] == "wall-1  active"
    assert "  progress   25% first coat\n" in while_it_runs
    assert f"  worker     {worker.name}\n" in while_it_runs
    worker.fail(delivery, "ValueError", "the wall is wet", FRAMES)
    shown = cli("jobs", "show", "wall-1").stdout
    for part in (
        "wall-1  failed\n",
        "  type       paint\n",
        "  queue      walls\n",
        "  priority   5 (normal)\n",
        "  attempt    1 of 1\n",
        "  timeout    1m30s\n",
        "  tags       outside\n",
        '  metadata   {"customer":7}\n',
        '\nData\n  {\n    "wall": "north"\n  }\n',
        "\nError\n  ValueError: the wall is wet\n  Traceback (most recent call last):\n",
        "\nAttempts\nATTEMPT  OUTCOME  STARTED  ",
        "\nLog\nTIME  ",
        "  warning  paint is low litres=0.5\n",
    ):
        assert part in shown


def test_show_as_json_is_the_job_of_the_api_with_its_log(
    cli: Cli, enqueue: Enqueue, worker: HandWorker, client: SyncClient
) -> None:
    enqueue("wall-1")
    delivery = worker.take("paint")
    worker.log(delivery, "info", "begun")
    worker.complete(delivery, {"coats": 2})
    shown = cli.json("jobs", "show", "wall-1")
    assert isinstance(shown, dict)
    (line,) = shown.pop("logs")
    assert (line["level"], line["text"], line["attempt"], line["fields"]) == ("info", "begun", 1, {})
    assert shown.pop("hint") is None
    assert shown == orjson.loads(orjson.dumps(job_to_json(client.get("wall-1"))))
    assert (shown["status"], shown["result"], shown["attempts"][0]["outcome"]) == (
        "completed",
        {"coats": 2},
        "returned",
    )


@pytest.mark.threat("S41")
def test_what_a_job_wrote_cannot_play_tricks_on_the_terminal(cli: Cli, client: SyncClient, worker: HandWorker) -> None:
    client.enqueue("paint", {"wall": "\x1b[2J"}, id="trick", queue="walls", max_attempts=1)
    delivery = worker.take("paint")
    worker.log(delivery, "info", "\x1b]0;owned\x07")
    worker.fail(delivery, "ValueError", "\x1b[31mred\rgreen")
    for shown in (
        cli("jobs", "show", "trick"),
        cli("jobs", "list"),
        cli("jobs", "logs", "trick"),
        cli("jobs", "result", "trick"),
    ):
        assert "\x1b" not in shown.stdout + shown.stderr
        assert "\x07" not in shown.stdout + shown.stderr


@pytest.mark.requirement("2.7")
def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_asked_to_stop(
    cli: Cli, enqueue: Enqueue, worker: HandWorker
) -> None:
    enqueue("runs")
    delivery = worker.take("paint")
    enqueue("waits")
    cancelled = cli.json("jobs", "cancel", "waits", "runs", "--reason", "colour is sold out")
    assert isinstance(cancelled, dict)
    waits, runs = cancelled["data"]
    assert (waits["status"], waits["reason"]) == ("cancelled", "colour is sold out")
    assert (runs["status"], runs["cancel_requested"]) == ("active", True)
    worker.give_in(delivery, "colour is sold out")
    assert ids_of(cli.json("jobs", "list", "--status", "cancelled")) == ["runs", "waits"]


def test_a_job_that_completed_although_it_was_to_be_cancelled_shows_both(
    cli: Cli, enqueue: Enqueue, worker: HandWorker
) -> None:
    enqueue("deaf")
    delivery = worker.take("paint")
    cli("jobs", "cancel", "deaf", "--reason", "colour is sold out")
    assert re.search(
        r"^  cancel +requested; its worker has been told$", cli("jobs", "show", "deaf").stdout, re.MULTILINE
    )
    worker.complete(delivery)
    shown = cli("jobs", "show", "deaf").stdout
    assert re.search(r"^  cancel +was requested while it ran, but it completed before it could", shown, re.MULTILINE)
    assert re.search(r"^  reason +colour is sold out$", shown, re.MULTILINE)
    assert cli("jobs", "list").stdout.rstrip().endswith(", was to be cancelled")
    assert ", was to be cancelled" in " ".join(cli("jobs", "list", "-o", "table").stdout.split())


@pytest.mark.requirement("2.12")
def test_failed_jobs_are_retried_one_or_many_by_a_pipe(cli: Cli, enqueue: Enqueue, worker: HandWorker) -> None:
    for number in range(3):
        enqueue(f"job-{number}", max_attempts=1)
        worker.fail(worker.take("paint"), "ValueError", "wet")
    assert cli("jobs", "retry", "job-0").exit_code == 0
    failed = "".join(
        line.split("\t")[0] + "\n" for line in cli("jobs", "list", "--status", "failed").stdout.splitlines()
    )
    result = cli("jobs", "retry", "-", stdin=failed)
    assert result.exit_code == 0
    assert [line.split("\t")[3] for line in result.stdout.splitlines()] == ["waiting", "waiting"]
    assert ids_of(cli.json("jobs", "list", "--status", "failed")) == []


def test_of_many_jobs_those_that_can_be_are_retried_and_the_others_told(
    cli: Cli, enqueue: Enqueue, client: SyncClient, worker: HandWorker
) -> None:
    enqueue("runs")
    worker.take("paint")
    enqueue("ended")
    client.cancel("ended")
    result = cli("jobs", "retry", "ended", "runs", "nobody")
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["ended"]
    assert "job runs is active" in result.stderr
    assert "there is no job nobody" in result.stderr
    assert result.exit_code == Exit.ERROR
    assert cli("jobs", "retry", "runs", "ended").exit_code == Exit.CONFLICT


@pytest.mark.parametrize("command", ["show", "result", "logs", "cancel", "retry"])
def test_a_job_that_is_not_there_is_not_found(cli: Cli, command: str) -> None:
    result = cli("jobs", command, A_MADE_ID)
    assert is_made_id(A_MADE_ID)
    assert (result.exit_code, result.stdout) == (Exit.NOT_FOUND, "")
    assert result.stderr == (
        f"Error: there is no job {A_MADE_ID}: it never was, or its retention has ended\n"
        "Try:   `jobd jobs list` shows the jobs there are\n"
    )


def test_a_problem_is_an_object_for_programs(cli: Cli) -> None:
    result = cli("jobs", "show", "nobody", "--output=json")
    assert (result.exit_code, result.stdout) == (Exit.NOT_FOUND, "")
    problem = orjson.loads(result.stderr)
    assert (problem["code"], problem["status"], problem["exit_code"]) == ("not_found", 404, 3)
    assert problem["detail"].startswith("there is no job nobody")


@pytest.mark.requirement("2.9")
def test_the_result_of_a_job_is_printed_as_json(cli: Cli, enqueue: Enqueue, worker: HandWorker) -> None:
    enqueue("wall-1")
    assert cli("jobs", "result", "wall-1").exit_code == Exit.CONFLICT
    assert "add --wait" in cli("jobs", "result", "wall-1").stderr
    assert cli("jobs", "result", "wall-1", "--wait-timeout", "20ms").exit_code == Exit.TIMED_OUT
    delivery = worker.take("paint")
    later = worker.later(delivery, {"coats": 2})
    waited = cli("jobs", "result", "wall-1", "--wait", "--wait-timeout", "30s")
    later.join()
    assert (waited.exit_code, orjson.loads(waited.stdout)) == (0, {"coats": 2})
    assert cli("jobs", "result", "wall-1").stdout == waited.stdout


def test_the_result_of_a_failed_job_is_its_error(cli: Cli, enqueue: Enqueue, worker: HandWorker) -> None:
    enqueue("wall-1", max_attempts=1)
    worker.fail(worker.take("paint"), "ValueError", "the wall is wet")
    result = cli("jobs", "result", "wall-1")
    assert (result.exit_code, result.stdout) == (Exit.JOB_FAILED, "")
    assert "ValueError: the wall is wet" in result.stderr


@pytest.mark.requirement("2.6")
def test_the_log_of_a_job_is_printed(cli: Cli, enqueue: Enqueue, worker: HandWorker) -> None:
    enqueue("wall-1")
    delivery = worker.take("paint")
    worker.log(delivery, "info", "begun", colour="blue", coats=[1, 2])
    worker.log(delivery, "error", "out of paint")
    lines = [line.split("\t") for line in cli("jobs", "logs", "wall-1").stdout.splitlines()]
    assert [line[1:] for line in lines] == [
        ["1", "info", "begun colour=blue coats=[1,2]"],
        ["1", "error", "out of paint"],
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line[0]) for line in lines)
    logged = cli.json("jobs", "logs", "wall-1")
    assert isinstance(logged, dict)
    assert [line["text"] for line in logged["data"]] == ["begun", "out of paint"]
