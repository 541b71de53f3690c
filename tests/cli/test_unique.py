"""`jobd unique …`, and unique jobs of `jobd enqueue`."""

from __future__ import annotations

from typing import Any

from jobd.cli.exits import Exit
from jobd.sync import SyncClient
from tests.cli.conftest import Cli

WORK = ("enqueue", "paint", "wall=north", "--queue", "walls")


def test_a_second_job_of_a_key_is_the_first(cli: Cli) -> None:
    first, second = cli(*WORK, "--unique", "k"), cli(*WORK, "--unique", "k")

    assert (second.exit_code, second.stdout) == (0, first.stdout)
    assert second.stderr == f"job {first.stdout.strip()} has its unique key; no other was made\n"


def test_what_became_of_a_job_is_said(cli: Cli) -> None:
    first = cli(*WORK, "--unique", "true").stdout.strip()

    replaced = cli(*WORK, "--unique", '{"mode": "replace"}')
    assert (replaced.stdout.strip(), "was given its data" in replaced.stderr) == (first, True)
    ignored = cli(*WORK, "--unique", '{"on_conflict": "ignore"}')
    assert (ignored.exit_code, ignored.stdout) == (0, "")
    assert ignored.stderr == "another job has its unique key; none was made\n"
    refused = cli(*WORK, "--unique", '{"on_conflict": "error"}')
    assert refused.exit_code == 5
    assert f"job {first} has the unique key" in refused.stderr


def test_keys_are_listed_found_shown_and_freed(cli: Cli, client: SyncClient) -> None:
    job = client.enqueue("paint", {"wall": "north"}, queue="walls", unique="k")
    key = client.get(job.id).unique_key or ""

    listed: Any = cli.json("unique", "list")
    assert [(row["key"], row["owner"]) for row in listed["data"]] == [(key, job.id)]
    assert cli("unique").stdout.split("\t")[:2] == [key, job.id]
    assert cli.json("unique", "show", key) == listed["data"][0]
    assert cli.json("unique", "owner", "paint", "--queue", "walls", "--unique", "k") == listed["data"][0]
    assert cli.json("unique", "owner", "paint", "--queue", "walls", "--unique", "other") is None
    assert cli("unique", "free", key, "--owner", "somebody").exit_code == 5
    assert cli("unique", "free", key).stdout == f"it is free; job {job.id} had it\n"
    assert cli("unique", "free", key).stdout == "it was free already\n"
    shown = cli("unique", "show", key)
    assert (shown.exit_code, shown.stdout, shown.stderr) == (Exit.NOT_FOUND, "", f"nobody has the unique key {key}\n")
    shown = cli("unique", "show", key, "-o", "json")
    assert (shown.exit_code, shown.stdout) == (Exit.NOT_FOUND, "null\n")
    asked = cli("unique", "owner", "paint", "--queue", "walls", "--unique", "other")
    assert (asked.exit_code, asked.stdout, asked.stderr) == (0, "", "nobody has this unique key\n")
    assert cli("unique", "list").stderr == "no job has a unique key\n" or cli("unique", "list").stdout == ""
    assert cli("unique", "list", "--limit", "0").exit_code == 2


def test_the_list_goes_on_with_a_cursor(cli: Cli, client: SyncClient) -> None:
    client.enqueue_many("paint", [{"wall": str(n)} for n in range(600)], queue="walls", unique=True)
    seen: set[str] = set()
    cursor = "0-0"
    while cursor:
        page: Any = cli.json("unique", "list", "--limit", "200", "--cursor", cursor)
        seen |= {row["key"] for row in page["data"]}
        cursor = page["page"]["next_cursor"]
    assert len(seen) == 600
