"""The scripts put together to a library: what the server makes of it, and what stays of one call in the next."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from jobd.store import scripts
from jobd.store.link import pairs
from jobd.store.scripts import LUA, PREFIX, library
from jobd.store.shard import Shard
from tests.store.hands import Hands, new_job


async def test_each_script_is_a_function_with_the_flags_of_its_head(shard: Shard, hands: Hands) -> None:
    await hands.put(new_job())
    known = library()
    name = known["get"].library.name
    (listed,) = await shard.link.command("FUNCTION", "LIST", "LIBRARYNAME", name)
    facts: dict[bytes, Any] = dict(pairs(listed))
    flags = {}
    for function in facts[b"functions"]:
        of: dict[bytes, Any] = dict(pairs(function))
        flags[of[b"name"].decode()] = {flag.decode() for flag in of[b"flags"]}
    heads = {script.function: (LUA / f"{script.name}.lua").read_text() for script in known.values()}
    assert set(known) == set(scripts.names())
    assert flags == {
        function: set(re.findall(r"[a-z-]+", head.partition("\n")[0].partition("flags=")[2]))
        for function, head in heads.items()
    }


def test_another_text_is_another_library() -> None:
    ours, other = library()["get"], library(ahead="local release = 2 ")["get"]
    assert ours.library.name != other.library.name
    assert ours.library.name.startswith(PREFIX)
    assert ours.function == f"{ours.library.name}_get"
    assert ours.library is library()["settle"].library


def test_parts_that_share_names_that_are_the_same_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    monkeypatch.setattr(scripts, "LUA", tmp_path)
    for part in ("head", "one", "two"):
        (tmp_path / "lib" / f"{part}.lua").write_text("local function shared() end\n")
    (tmp_path / "verb.lua").write_text("#!lua\nreturn shared()\n")
    with pytest.raises(ValueError, match="shared"):
        library(ahead=" ")


def test_names_in_capitals_are_numbers_and_words_in_quotes_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    monkeypatch.setattr(scripts, "LUA", tmp_path)
    (tmp_path / "lib" / "head.lua").write_text("local LIMIT, LEVEL_2 = 7, 1e3  -- how many\nlocal seen = {}\n")
    (tmp_path / "verb.lua").write_text("#!lua\nseen[1] = 'LIMIT'\nreturn LIMIT + LEVEL_2 + jobs_key\n")
    text = library(ahead="  ")["verb"].library.source.decode()
    assert "return 7 + 1e3 + fixed.jobs" in text
    assert "seen[1] = 'LIMIT'" in text
    assert "how many" not in text
    assert re.search(r"function begin.head\(\)\nseen = {}\nend", text)
