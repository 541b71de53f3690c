"""`jobd limits`: what is said here holds at once, for all."""

from __future__ import annotations

import pytest

from jobd.errors import OptionError
from jobd.sync import SyncClient
from tests.cli.conftest import Cli, Enqueue
from tests.hand_worker import HandWorker


@pytest.mark.requirement("3.2")
def test_a_queue_is_limited_and_set_free_again(cli: Cli, enqueue: Enqueue, worker: HandWorker) -> None:
    enqueue("one")
    enqueue("two")
    assert cli("limits", "set", "--queue", "walls", "concurrency=1", "rate=10/1m").stdout == (
        "queue\twalls\tconcurrency=1 rate=10/1m\trun time\n"
    )
    assert len(worker.take_all("paint")) == 1
    assert worker.take_all("paint") == []
    assert cli("limits", "unset", "--queue", "walls").stdout == "queue\twalls\tnone\t-\n"
    assert len(worker.take_all("paint")) == 1
    assert cli("limits", "-o", "table").stderr == "nothing is limited\n"


def test_groups_types_and_keys_are_limited_by_name(cli: Cli, client: SyncClient) -> None:
    cli("limits", "set", "--queue", "walls", "--group", "tenant 42", "weight=3")
    cli("limits", "set", "--type", "paint", "rate=1/1s/5")
    cli("limits", "set", "--key", "acct/7", "concurrency=2")
    cli("limits", "set", "--rate-key", "api", "rate=5/1h")
    listed = cli.json("limits")
    assert isinstance(listed, dict)
    assert listed["data"] == [
        {"scope": "key", "key": "acct/7", "limits": {"concurrency": 2}, "set": ["concurrency"]},
        {"scope": "group", "queue": "walls", "group": "tenant 42", "limits": {"weight": 3}, "set": ["weight"]},
        {"scope": "rate", "rate_key": "api", "limits": {"rate": {"count": 5, "per_ms": 3_600_000}}, "set": ["rate"]},
        {
            "scope": "type",
            "type": "paint",
            "limits": {"rate": {"count": 1, "per_ms": 1_000, "burst": 5}},
            "set": ["rate"],
        },
    ]
    assert [limits.names for limits in client.limits()] == [("acct/7",), ("walls", "tenant 42"), ("api",), ("paint",)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--queue", "walls", "concurrency=0"], "concurrency: 0 is not a whole number from 1 to 100000"),
        (
            ["--queue", "walls", "concurency=1"],
            "did you mean 'concurrency'?",
        ),
        (["--queue", "walls", "weight=1"], "there is no limit 'weight' of a queue"),
        (["--queue", "walls", "foo=1"], "there are concurrency, rate, group_concurrency, group_rate, ageing, size,"),
        (["--queue", "walls", "rate=often"], "rate: 'often' is not a rate"),
        (["--group", "a", "weight=1"], "name one thing: a queue, a group with its queue, a type"),
        (["--queue", "No Such", "concurrency=1"], "queue"),
    ],
)
def test_a_wrong_limit_is_refused_with_what_is_allowed(cli: Cli, words: list[str], said: str) -> None:
    result = cli("limits", "set", *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_python_says_the_same(client: SyncClient) -> None:
    assert client.set_limits(queue="walls", rate="10/1m").holds == {"rate": {"count": 10, "per_ms": 60_000}}
    assert client.set_limits(queue="walls", rate=None).holds == {}
    with pytest.raises(OptionError, match="name one thing"):
        client.set_limits(queue="walls", type="paint", rate="10/1m")
