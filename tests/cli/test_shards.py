"""`jobd shards …`."""

from __future__ import annotations

import pytest

from jobd.cli.exits import Exit
from jobd.sync import SyncClient
from tests.cli.conftest import Cli
from tests.cli.terminal import Terminal

CTRL_D = b"\x04"
"""the end of the input; a Ctrl-C that comes just before Python reads is only heeded at the next key"""


def numbers(listed: str) -> list[str]:
    """Of the rows of a list, the first cells."""
    return [line.partition("\t")[0] for line in listed.splitlines()]


@pytest.mark.requirement("3.3")
def test_the_store_grows_and_its_shards_are_listed(cli: Cli, client: SyncClient) -> None:
    client.enqueue("paint", {"wall": "north"}, queue="walls")
    number, node, jobs, workers = cli("shards").stdout.strip().split("\t")
    assert (number, ":" in node or "/" in node, jobs, workers) == ("0", True, "1", "0")

    grown = cli("shards", "grow", "3", "--yes")
    assert (grown.exit_code, numbers(grown.stdout)) == (Exit.OK, ["0", "1", "2"])
    assert len(client.shards()) == 3
    again = cli("shards", "grow", "3")
    assert (again.exit_code, again.stderr, numbers(again.stdout)) == (0, "it has 3 shards already\n", ["0", "1", "2"])


@pytest.mark.threat("S19")
def test_it_does_not_grow_unless_that_is_wanted(cli: Cli, client: SyncClient) -> None:
    unasked = cli("shards", "grow", "2")
    assert unasked.exit_code == Exit.USAGE
    assert "1 shard will become 2, which cannot be undone: a store never has fewer again" in unasked.stderr
    assert "say --yes if that is wanted" in unasked.stderr
    assert cli("shards", "grow", "2", "--dry-run").stdout == "1 shard would become 2; nothing was done\n"
    assert cli.json("shards", "grow", "2", "--dry-run") == {"dry_run": True, "shards": 1, "after": 2}
    assert len(client.shards()) == 1


@pytest.mark.parametrize(
    ("keys", "ends", "shards"), [(b"y\n", Exit.OK, 2), (b"\n", Exit.ERROR, 1), (CTRL_D, Exit.INTERRUPTED, 1)]
)
def test_on_a_terminal_it_asks(cli: Cli, client: SyncClient, keys: bytes, ends: Exit, shards: int) -> None:
    with Terminal("shards", "grow", "2", environment=cli.environment) as terminal:
        terminal.read_until("never has fewer again. Go on? [y/N]: ")
        terminal.press(keys)
        assert terminal.end() == ends
    assert ("nothing was done" in terminal.shown) == (ends == Exit.ERROR)
    assert len(client.shards()) == shards


@pytest.mark.parametrize("more", [(), ("--yes",), ("--dry-run",)])
def test_a_number_that_it_cannot_have_is_refused_before_anything_is_asked(
    cli: Cli, client: SyncClient, more: tuple[str, ...]
) -> None:
    client.grow(3)
    for number, said in (("2", "never has fewer than the 3 that it has"), ("257", "not a whole number from 1 to 256")):
        refused = cli("shards", "grow", number, *more)
        assert (refused.exit_code, said in refused.stderr) == (Exit.USAGE, True)
    for wrong in ("0", "-1", "many", "2.5"):
        assert cli("shards", "grow", "--", wrong).exit_code == Exit.USAGE
    assert len(client.shards()) == 3


def test_queues_that_are_spread_are_named(cli: Cli, client: SyncClient) -> None:
    client.grow(2)
    client._run(client._client.store.spread, "events")

    assert cli("shards").stderr == "spread over all of them: events\n"
    listed = cli.json("shards", "list")
    assert isinstance(listed, dict)
    assert (listed["spread"], [shard["number"] for shard in listed["data"]]) == (["events"], [0, 1])
