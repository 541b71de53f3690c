"""The scripts put together to a library: what the server makes of it, and what stays of one call in the next."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from jobd.domain.state import State
from jobd.errors import StoreError
from jobd.store import scripts
from jobd.store.link import pairs
from jobd.store.scripts import LUA, PREFIX, library
from jobd.store.shard import Shard
from tests.store.hands import Hands, new_job
from tests.store.script_reach import reach


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


async def test_a_call_without_words_harms_none_that_comes_later(shard: Shard, hands: Hands) -> None:
    await hands.put(new_job("a"))
    with pytest.raises(StoreError):
        await shard.link.command("FCALL", library()["get"].function, 0)
    assert await hands.states("a") == [State.WAITING]


def test_another_text_is_another_library() -> None:
    ours, other = library()["get"], library(ahead="local release = 2 ")["get"]
    assert ours.library.name != other.library.name
    assert ours.library.name.startswith(PREFIX)
    assert ours.function == f"{ours.library.name}_get"
    assert ours.library is library()["settle"].library


async def test_there_is_room_for_thirty_more_names_that_parts_share(shard: Shard) -> None:
    """Lua allows 200 names in one place; where they become too many, a part that one script alone uses helps."""
    names = ", ".join(f"one_more_{number}" for number in range(30))
    larger = library(ahead=f"local {names}\n")["get"].library
    assert (await shard.link.command("FUNCTION", "LOAD", larger.source)).decode() == larger.name
    await shard.link.command("FUNCTION", "DELETE", larger.name)


@pytest.mark.parametrize("name", scripts.names())
def test_a_script_includes_each_part_that_it_may_reach(name: str) -> None:
    """What a part keeps for a call begins anew only for scripts that include it."""
    included, code = (
        re.findall(r"^-- include: (.*)$", (LUA / f"{name}.lua").read_text(), re.MULTILINE)[0].split(),
        re.sub(r"'[^']*'", "", reach(name)),
    )
    own = {word for names in re.findall(r"\blocal (?:function )?(\w+(?:, \w+)*)", code) for word in names.split(", ")}
    elsewhere = {
        word: path.name
        for path in (Path(str(LUA)) / "lib").iterdir()
        if path.name.removesuffix(".lua") not in included
        for names in re.findall(r"^local (?:function )?(\w+(?:, \w+)*)", path.read_text(), re.MULTILINE)
        for word in names.split(", ")
    }
    named = set(re.findall(r"(?<![\w.])[a-z]\w*\b(?! = )", code)) - own
    assert {word: elsewhere[word] for word in named & set(elsewhere)} == {}


def test_parts_that_share_names_that_are_the_same_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    monkeypatch.setattr(scripts, "LUA", tmp_path)
    for part in ("head", "one", "two"):
        (tmp_path / "lib" / f"{part}.lua").write_text("local function shared() end\n")
    (tmp_path / "verb.lua").write_text("#!lua\n-- include: head one two\nreturn shared()\n")
    with pytest.raises(ValueError, match="shared"):
        library(ahead=" ")


def test_names_in_capitals_are_numbers_and_words_in_quotes_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    monkeypatch.setattr(scripts, "LUA", tmp_path)
    (tmp_path / "lib" / "head.lua").write_text("local LIMIT, LEVEL_2 = 7, 1e3  -- how many\nlocal seen = {}\n")
    (tmp_path / "verb.lua").write_text(
        "#!lua\n-- include: head\nseen[1] = 'LIMIT'\nreturn LIMIT + LEVEL_2 + jobs_key\n"
    )
    text = library(ahead="  ")["verb"].library.source.decode()
    assert "return 7 + 1e3 + fixed.jobs" in text
    assert "seen[1] = 'LIMIT'" in text
    assert "how many" not in text
    assert "function begin.head(next)\nif next(seen) then seen = {} end\nend" in text
