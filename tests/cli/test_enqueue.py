"""`jobd enqueue`."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from jobd.cli.exits import Exit
from jobd.domain.backoff import Backoff
from jobd.domain.ids import is_made_id
from jobd.domain.state import State
from jobd.sync import SyncClient
from tests.cli.conftest import Cli, Enqueue
from tests.hand_worker import HandWorker

PAINT = ("enqueue", "paint", "--queue", "walls")


def test_it_prints_the_id_alone(cli: Cli, client: SyncClient) -> None:
    result = cli(*PAINT, "wall=north", "coats:=2")
    assert (result.exit_code, result.stderr) == (0, "")
    job_id = result.stdout.removesuffix("\n")
    assert is_made_id(job_id)
    job = client.get(job_id)
    assert (job.type, job.queue, job.status, job.data) == (
        "paint",
        "walls",
        State.WAITING,
        {"wall": "north", "coats": 2},
    )


@pytest.mark.parametrize(
    ("words", "data"),
    [
        ([], {}),
        (["a=1"], {"a": "1"}),
        (["a:=1", "b:=[1, null]", 'c:={"d": "e"}', 'f:="g"'], {"a": 1, "b": [1, None], "c": {"d": "e"}, "f": "g"}),
        (["url=https://example.org/?a:=b"], {"url": "https://example.org/?a:=b"}),
        (["empty="], {"empty": ""}),
        (["two:words=x=y"], {"two:words": "x=y"}),
        (["--data", '{"a": 1, "b": 2}', "b=3"], {"a": 1, "b": "3"}),
        (["--", "-a=1"], {"-a": "1"}),
        (["--data", '{"big": 123456789012345678}'], {"big": 123456789012345678}),
    ],
)
def test_data_is_given_as_fields_and_as_json(cli: Cli, client: SyncClient, words: list[str], data: object) -> None:
    assert client.get(cli(*PAINT, *words).stdout.strip()).data == data


def test_data_comes_from_a_file_or_from_standard_input(cli: Cli, client: SyncClient) -> None:
    Path("wall.json").write_text('{"wall": "söuth"}', encoding="utf-8")
    assert client.get(cli(*PAINT, "--data", "@wall.json").stdout.strip()).data == {"wall": "söuth"}
    piped = cli(*PAINT, "--data", "-", stdin='{"wall": "east"}')
    assert client.get(piped.stdout.strip()).data == {"wall": "east"}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["wall"], "'wall' is neither key=text nor key:=json"),
        (["=x"], "neither key=text nor key:=json"),
        (["coats:=two"], "the value of coats, is not JSON"),
        (["--data", "[1]"], "a JSON object of named fields"),
        (["--data", "{"], "--data is not JSON"),
        (["--data", "@nowhere.json"], "nowhere.json cannot be read"),
        (["--run-at", "tomorrow"], "is not a time such as"),
        (["--run-at", "2030-01-31T08:00:00"], "has no time zone"),
        (["--delay", "soon"], "'soon' is not a duration"),
        (["--delay", "5s", "--run-at", "2030-01-31T08:00:00Z"], "delay and run_at exclude each other"),
        (["--priority", "20"], "20 is not between 1 (most urgent) and 10"),
        (["--retries", "3", "--max-attempts", "4"], "say the same in two ways"),
        (["--backoff", "{"], "'{' is not JSON"),
        (["--backoff", "often"], "'often' is not a duration"),
        (["--queue", "Loud Walls"], "'Loud Walls' cannot name a queue"),
        (["--id", A := "01KAMWZY9SVJ3Y4S5QKZ8J6T2N"], f"id {A!r}: ids of this shape are made by jobd"),
        (["--metadata", "customer"], "neither key=text nor key:=json"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(cli: Cli, client: SyncClient, words: list[str], complaint: str) -> None:
    result = cli(*PAINT, *words)
    assert (result.exit_code, result.stdout) == (Exit.USAGE, "")
    assert complaint in result.stderr
    assert client.queues() == {}


@pytest.mark.requirement("2.3")
@pytest.mark.requirement("2.4")
def test_all_options_reach_the_job(cli: Cli, client: SyncClient) -> None:
    result = cli(
        *PAINT, "--id", "wall-1", "--priority", "low", "--delay", "1h30m", "--retries", "2", "--backoff", "10",
        "--timeout", "90s", "--tag", "outside", "--tag", "urgent", "--metadata", "customer:=7", "--metadata", "by=Ada",
    )  # fmt: skip
    assert (result.exit_code, result.stdout) == (0, "wall-1\n")
    job = client.get("wall-1")
    assert (job.priority, job.max_attempts, job.timeout_ms, job.backoff) == (7, 3, 90_000, Backoff.fixed("10s"))
    assert (job.status, (job.run_at - job.created_at).total_seconds()) == (State.DELAYED, 5_400)
    assert (job.tags, job.metadata) == (("outside", "urgent"), {"customer": 7, "by": "Ada"})


def test_a_moment_and_a_backoff_in_words_of_the_api(cli: Cli, client: SyncClient) -> None:
    backoff = '{"kind": "exponential", "base_ms": 500, "cap_ms": 9000, "jitter": 0}'
    cli(*PAINT, "--id", "wall-1", "--run-at", "2090-01-31T09:00:00+01:00", "--backoff", backoff)
    job = client.get("wall-1")
    assert job.run_at.isoformat() == "2090-01-31T08:00:00+00:00"
    assert job.backoff == Backoff.exponential("500ms", cap="9s", jitter=0)


@pytest.mark.requirement("2.8")
def test_an_id_of_ones_own_makes_one_job(cli: Cli, client: SyncClient) -> None:
    first, second = cli(*PAINT, "--id", "wall-1", "a=1"), cli(*PAINT, "--id", "wall-1", "a=2")
    assert (first.stdout, first.stderr) == ("wall-1\n", "")
    assert (second.exit_code, second.stdout) == (0, "wall-1\n")
    assert second.stderr == "a job with the id wall-1 existed already; no other was made\n"
    assert client.get("wall-1").data == {"a": "1"}


def test_as_json_it_prints_the_job(cli: Cli) -> None:
    job = cli.json(*PAINT, "wall=north")
    assert isinstance(job, dict)
    assert (job["status"], job["data"], job["attempt"]) == ("waiting", {"wall": "north"}, 0)


def test_a_type_that_nobody_knows_is_refused_with_the_nearest(cli: Cli, worker: HandWorker) -> None:
    worker.tell_types({"paint": {"queue": "walls"}})
    result = cli("enqueue", "piant", "wall=north")
    assert (result.exit_code, result.stdout) == (Exit.USAGE, "")
    assert "there is no job type 'piant'\n       did you mean paint" in result.stderr


def test_a_type_that_only_workers_know_has_its_defaults(cli: Cli, worker: HandWorker, client: SyncClient) -> None:
    worker.tell_types({"paint": {"queue": "walls", "priority": 2, "max_attempts": 7}})
    job = client.get(cli("enqueue", "paint", "wall=north").stdout.strip())
    assert (job.queue, job.priority, job.max_attempts) == ("walls", 2, 7)


def test_waiting_prints_the_result(cli: Cli, worker: HandWorker, enqueue: Enqueue) -> None:
    enqueue("wall-1")  # so that the worker has it in hand before the command, which then joins the wait
    later = worker.later(worker.take("paint"), {"coats": 2})
    result = cli(*PAINT, "--id", "wall-1", "--wait")
    later.join()
    assert (result.exit_code, orjson.loads(result.stdout)) == (0, {"coats": 2})
    assert "paint wall-1\n" in result.stderr
    job = cli.json(*PAINT, "--id", "wall-1", "--wait")
    assert isinstance(job, dict)
    assert (job["id"], job["status"], job["result"]) == ("wall-1", "completed", {"coats": 2})


def test_waiting_too_long_and_waiting_for_a_failure_have_exit_codes_of_their_own(
    cli: Cli, worker: HandWorker, enqueue: Enqueue
) -> None:
    enqueue("wall-1", max_attempts=1)
    timed_out = cli(*PAINT, "--id", "wall-1", "--wait-timeout", "20ms")
    assert (timed_out.exit_code, timed_out.stdout) == (Exit.TIMED_OUT, "")
    assert "job wall-1 has not ended within 0.02 s" in timed_out.stderr
    worker.fail(worker.take("paint"), "ValueError", "the wall is wet")
    failed = cli(*PAINT, "--id", "wall-1", "--wait")
    assert (failed.exit_code, failed.stdout) == (Exit.JOB_FAILED, "")
    assert "ValueError: the wall is wet" in failed.stderr
