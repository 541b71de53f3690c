"""`jobd queues options`, `set`, `unset`: what is said here holds at once, for all who enqueue."""

from __future__ import annotations

import pytest

from jobd.sync import SyncClient
from tests.cli.conftest import Cli, Enqueue


def test_a_queue_says_options_of_its_jobs_until_they_are_taken_back(
    cli: Cli, client: SyncClient, enqueue: Enqueue
) -> None:
    assert client.get(enqueue("before")).max_attempts == 4
    told = cli("queues", "set", "walls", "--retries", "6", "--backoff", "linear", "--timeout", "90s", "--tag", "ours")
    assert "max_attempts\t7\trun time\n" in told.stdout
    assert "timeout\t1m30s\trun time\n" in told.stdout
    assert "priority\t5\t-\n" in told.stdout
    job = client.get(enqueue("after"))
    assert (job.max_attempts, job.timeout_ms, job.options.tags) == (7, 90_000, ("ours",))
    assert client.queue_options("walls").set.backoff is not None
    cli("queues", "unset", "walls", "retries", "backoff")
    left = cli.json("queues", "options", "walls")
    assert isinstance(left, dict)
    assert left["set"] == ["timeout_ms", "tags"]
    cli("queues", "unset", "walls")
    assert client.get(enqueue("at-the-end")).timeout_ms == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["set", "walls"], "say an option, such as --retries 6"),
        (["set", "walls", "--retries", "-1"], "--retries"),
        (["set", "walls", "--group", "a"], "No such option"),
        (["set", "No Such", "--retries", "1"], "queue"),
        (["set", "walls", "--retries", "1", "--max-attempts", "2"], "say the same in two ways"),
        (["unset", "walls", "group"], "group: this is an option of a job or a job type, not of a queue"),
        (["unset", "walls", "retris"], "did you mean 'retries'?"),
    ],
)
def test_what_a_queue_cannot_say_is_refused_by_its_name(cli: Cli, words: list[str], said: str) -> None:
    result = cli("queues", *words)
    assert result.exit_code == 2
    assert said in result.stderr
