"""What the scripts do to keys is what keys.py says, and what each says of itself in its head is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobd.domain.keep import Keep
from jobd.domain.operation import Stage
from jobd.domain.settle import Verdict
from jobd.domain.state import MOVES, State
from jobd.domain.when import When
from jobd.errors import StoreError
from jobd.store import keys as documented
from jobd.store import link, scripts
from jobd.store.edits import Change, Move
from jobd.store.homes import Home, write_home
from jobd.store.keys import FIXED, Keys
from jobd.store.link import Argument
from jobd.store.once import Once
from jobd.store.operations import Operations
from jobd.store.scripts import LUA
from jobd.store.shard import Retention, Shard
from jobd.store.store import Store
from tests.store.hands import LEASE_MS, LOST, Clock, Hands, cancelled, done, ended, failed, given_back, new_job, retried
from tests.store.script_reach import reach
from tests.store.strict_scripts import strict

PARTS = sorted(path.name.removesuffix(".lua") for path in (LUA / "lib").iterdir())
SLOW = {
    "KEYS",
    "SCAN",
    "HSCAN",
    "ZSCAN",
    "SSCAN",
    "LREM",
    "LINSERT",
    "LPOS",
    "SORT",
    "HGETALL",
    "HKEYS",
    "HVALS",
    "SMEMBERS",
}


def described() -> dict[str, str]:
    """The type of each kind of key, by the table in keys.py: "lane:<line>:<lane>" → "list"."""
    kinds: dict[str, str] = {}
    for row in re.findall(r"^\| ([^|]+) \| (hash|zset|list|set) \|", documented.__doc__ or "", re.MULTILINE):
        kinds |= dict.fromkeys(row[0].split(", "), row[1])
    return kinds


def kind_of(key: str, kinds: dict[str, str]) -> str:
    """The kind of a key without its base."""
    fitting = [kind for kind in kinds if re.fullmatch(re.sub(r"<[^>]*>", "[^ ]+", kind), key)]
    assert len(fitting) == 1, f"{key}: {fitting}"
    return fitting[0]


async def a_busy_time(store: Store, hands: Hands) -> set[str]:
    """Everything that a store does, done once. Returns every key that was there at any step, with its type."""
    shard, clock = hands.shard, hands.clock
    seen: set[str] = set()

    async def look() -> None:
        for key in await shard.link.command("KEYS", "*"):
            kind = await shard.link.command("TYPE", key)
            seen.add(f"{key.decode()} {kind.decode()}")

    async def idle() -> None:
        await hands.join("idle", "*")
        await hands.fetch("idle")
        await shard.join("s1", lease_ms=LEASE_MS, lines=["@scheduler"], about=b"{}")
        await shard.promote("s1")
        await hands.take_over()
        await look()

    shard.retention = Retention(completed=2, failed=2, least=0)
    await store.tell_types({"noop": {}})
    await hands.join()
    await hands.join("solo", "!*")
    await hands.monitor()
    await idle()
    await hands.put(*[new_job(priority=1 + at % 10, timeout_ms=at % 2 * 1_000) for at in range(30)])
    await hands.put(new_job("odd", type="odd"), new_job("later", due="+5"), new_job("watched"), new_job("x", queue="q"))
    for name in ("watched", "later"):
        await shard.watch(name, "client")
    await look()
    batch = await hands.fetch("w1", want=20)
    for delivery in batch[:4]:
        await shard.say(delivery, "log", b'"level":"info","text":"x"')
        await shard.say(delivery, "progress", b'"done":1')
        await shard.say(delivery, "heartbeat", 1_000)
    await idle()
    await shard.cancel([batch[5].id, batch[6].id, "later", "x", "missing"], {"reason": "no"})
    await look()
    verdicts = [done(one, b"1", children=[new_job(), new_job(due="+9"), new_job()]) for one in batch[:4]]
    verdicts += [failed(batch[4]), cancelled(batch[5]), given_back(batch[6]), retried(batch[7]), given_back(batch[8])]
    verdicts += [ended(batch[9], LOST, "lost"), failed(batch[10]), failed(batch[11])]
    await hands.turn("w1", verdicts, want=5)
    await look()
    await hands.turn("w1", verdicts, want=5)
    await shard.retry([batch[11].id, batch[0].id, "later", "x"])
    await shard.set_rule("q/ruled", {"rate": {"n": 1, "ms": 1_000, "burst": 1}, "ageing_ms": 1_000})
    await shard.set_rule("t/odd", {"paused": {"until_ms": clock.ms + 1_000}})
    keys = ["c=x:1", "c=x:1", "o=y", "o=y", "r=z:1/1000", "g=h"]
    await hands.put(*[new_job(lane_key=key) for key in keys], *[new_job(queue="ruled") for _ in range(2)])
    some = await hands.fetch("w1", want=3)
    await look()
    some += await hands.fetch("w1", want=20)
    await look()
    await hands.settle(*map(done, some))
    await shard.set_rule("t/odd", None)
    await idle()
    unique = ["k:k:wdba:0", "t:s:wdbacfxg:5", "r:r:wdba:0"]
    for _ in range(2):
        await hands.put(*[new_job(unique=words) for words in unique], new_job(unique=unique[2], due="+7", priority=1))
        some = await hands.fetch("w1", want=20)
    await look()
    await hands.settle(*map(done, some))
    await shard.free_unique("k")
    await write_home(shard, "q", Home(1))
    await store.enqueue_once([new_job()], Once("name", "digest"))
    await look()
    await hands.put(*[new_job(due=due, expires=When(after_ms=ms)) for due, ms in (("", 1), ("+9", 5), ("", 10**9))])
    await look()
    clock.forward(9)
    assert await shard.expire() == 2
    await store.enqueue([new_job(due="+3" if at % 2 else "") for at in range(1_100)])
    await shard.stage("given-up", [new_job("b1"), new_job("b2")])
    await shard.watch("b1", "client")
    await look()
    clock.forward(10)
    await shard.promote("s1")
    await look()
    await hands.fetch("solo", want=2)
    await shard.leave("solo", "killed")
    clock.forward(1)
    await hands.take_over()
    await hands.take_over()
    await look()
    for _ in range(2):
        clock.forward(LEASE_MS - 50)
        await shard.renew(["m1"], LEASE_MS, patience_s=1)
    lost = await hands.take_over()
    await look()
    await shard.settle("m1", [ended(item.delivery, Verdict(State.FAILED), "lost") for item in lost])
    await hands.take_over()
    clock.forward(60_000)
    for name in await shard.staged():
        await shard.release(name)
    await shard.sweep()
    await shard.prune("default", State.FAILED, 0)
    await shard.prune("default", State.COMPLETED, 0)
    await look()
    await hands.join("keeper", "kept")
    await hands.put(new_job("kept", queue="kept", keep_completed=Keep(0)))
    await hands.settle(*map(done, await hands.fetch("keeper")), holder="keeper")
    await look()
    await shard.prune_shelf("kept:c:noop/0/", None, 0)
    operations = Operations(shard)
    await operations.begin("one", {"verb": "retry", "filter": {}, "arguments": {}})
    await operations.take("runner", 1_000)
    await operations.advance("one", "runner", 1_000, Stage.RUNNING, {})
    await operations.abort("one")
    await hands.put(new_job("changed"), new_job("moved"))
    await shard.change([Change("changed", due="+5")])
    (spec,) = await shard.specs(["moved"])
    assert spec is not None
    await shard.move([Move("moved", spec, new_job("there", queue="elsewhere"))], {})
    await shard.delete(["changed", "there"], set(State))
    await look()
    await hands.join("last")
    await hands.fetch("last")
    await shard.leave("last")
    await look()
    return seen


async def test_every_key_that_ever_is_is_one_that_is_documented_and_of_its_type(
    store: Store, shard: Shard, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In passing: every script keeps the rule of keys."""
    monkeypatch.setattr(link, "load", strict)
    kinds = described()
    met: set[str] = set()
    for found in await a_busy_time(store, hands):
        key, _, type_ = found.rpartition(" ")
        assert key.startswith("{jobd:0}:")
        kind = kind_of(key.removeprefix(shard.keys.base), kinds)
        assert type_ == kinds[kind], key
        met.add(kind)
    assert met == set(kinds)


async def test_a_script_that_breaks_the_rule_of_keys_is_found_out(shard: Shard) -> None:
    watched = strict("sweep")
    bad = b"for _, word in ipairs({'EXISTS', 'INCR', 'INCR'}) do redis.call(word, ARGV[2] .. ARGV[3]) end "
    good = b"return math.max(sweep("
    assert good in watched.library.source
    for broken in (bad, bad.replace(b"'EXISTS', ", b"")):
        source = watched.library.source.replace(good, broken + good)
        await shard.link.command("FUNCTION", "LOAD", "REPLACE", source)
        keys, arguments = shard._keys("sweep"), ["", shard.keys.base, "x"]
        words: list[Argument] = [watched.function, len(keys), *keys, *arguments]
        if b"EXISTS" in broken:
            await shard.link.command("FCALL", *words)
        else:
            with pytest.raises(StoreError, match="INCR is the first to touch"):
                await shard.link.command("FCALL", *words)
    await shard.link.command("FUNCTION", "DELETE", watched.library.name)


def test_each_key_has_a_function_in_keys() -> None:
    keys, kinds = Keys("p", 3), described()
    assert {kind for kind in kinds if "<" not in kind} == FIXED - {"shards"}  # which is no collection
    made = {
        keys.lanes("q"): "lanes:<line>",
        keys.lane("q", "5:"): "lane:<line>:<lane>",
        keys.held("w"): "held:<member>",
        keys.gated("c/x"): "gated:<gate>",
        keys.shut("q"): "shut:<line>",
        keys.window("r/x"): "window:<gate>",
        keys.ended("q", "c"): "ended:<queue>:<letter>",
        keys.logs("id"): "logs:<id>",
        keys.stage("b"): "stage:<batch>",
        keys.gone(2): "gone:<0-2>",
        keys.member("w"): "member:<member>",
        keys.inbox("w"): "inbox:<member>",
        keys.operation("o"): "operation:<id>",
        keys.idle("q"): "idle:<line>",
    }
    assert set(made.values()) | FIXED == set(kinds) | {"shards"}
    for key, kind in made.items():
        assert key.startswith("{p:3}:")
        assert kind_of(key.removeprefix("{p:3}:"), kinds) == kind


# --- heads -----------------------------------------------------------------------------------------------------------


def head(name: str) -> dict[str, str]:
    """The named lines of a script's head, each with the lines that go on with it."""
    named: dict[str, str] = {}
    word = ""
    for line in (LUA / f"{name}.lua").read_text().splitlines()[1:]:
        if not line.startswith("--"):
            break
        if match := re.match(r"-- (KEYS|ARGV|Returns|Moves|include): (.*)", line):
            word = match[1]
            named[word] = match[2]
        elif word:
            named[word] += " " + line.removeprefix("--").strip()
    return named


@pytest.mark.parametrize("name", scripts.names())
def test_the_head_of_a_script_says_all_there_is_to_know(name: str) -> None:
    lines = (LUA / f"{name}.lua").read_text().splitlines()
    assert re.fullmatch(r"#!lua( flags=[a-z-]+)?", lines[0])
    assert re.match(r"-- [A-Z]", lines[1])
    known = head(name)
    assert {"KEYS", "ARGV", "Returns", "include"} <= set(known)
    assert known["include"].split()[0] == "head"
    assert set(known["include"].split()) <= set(PARTS)


@pytest.mark.parametrize("name", scripts.names())
def test_a_script_declares_the_keys_it_uses_and_uses_those_it_declares(name: str) -> None:
    code = reach(name)
    made = set(re.findall(r"(?:function|local) (\w+)_key\b", code))
    used = set(re.findall(r"\b([a-z_]+)_key\b", code)) - made
    assert used == set(scripts.load(name).keys)
    assert used <= FIXED


@pytest.mark.parametrize("name", scripts.names())
def test_a_script_builds_keys_of_the_documented_kinds_only(name: str) -> None:
    first_words = {kind.partition("<")[0] for kind in described() if "<" in kind}
    assert set(re.findall(r"base \.\. '([^']*)'", reach(name))) <= first_words


@pytest.mark.parametrize("name", scripts.names())
def test_a_script_names_the_parts_it_needs_and_no_others(name: str) -> None:
    """Something in each is named by the script or by another part."""
    parts = head(name)["include"].split()
    body = (LUA / f"{name}.lua").read_text()
    texts = {part: (LUA / "lib" / f"{part}.lua").read_text() for part in parts}
    for part in parts:
        offers = set(re.findall(r"^local (?:function )?(\w+)", texts[part], re.MULTILINE))
        others = "\n".join([body, *(text for other, text in texts.items() if other != part)])
        assert any(re.search(rf"\b{name_}\b", others) for name_ in offers) or part == "head", part


@pytest.mark.parametrize("name", scripts.names())
def test_a_script_uses_no_command_whose_cost_grows_without_bound(name: str) -> None:
    code = reach(name)
    assert not set(re.findall(r"redis\.call\('(\w+)'", code)) & SLOW
    assert not re.findall(r"'[LZ]RANGE', [^)]*, 0, -1\)", code)


@pytest.mark.parametrize("name", scripts.names())
def test_the_moves_of_a_script_are_moves_of_the_table(name: str) -> None:
    """Beside those, a job is gone when its retention ends or somebody removes it, and goes from hand to hand while it
    is active."""
    allowed: set[tuple[str, str]] = {(start or "–", end) for start, ways in MOVES.items() for end in ways.values()}
    allowed |= {(state, "gone") for state in State} | {(State.ACTIVE, State.ACTIVE)}
    moves = {
        (start, end)
        for way in head(name).get("Moves", "").split("; ")
        if way
        for start in way.split(" → ")[0].split(", ")
        for end in way.split(" → ")[1].split(", ")
    }
    assert moves <= allowed
    if re.search(r"^ *(count|take_in)\(", (LUA / f"{name}.lua").read_text(), re.MULTILINE):
        assert moves


def test_a_clock_that_is_dictated_is_the_only_one_there_is(clock: Clock) -> None:
    """No script asks for the time but by the one line that a test can answer."""
    asked = [path.name for path in Path(str(LUA)).rglob("*.lua") if "'TIME'" in path.read_text()]
    assert asked == ["head.lua"]
    assert clock.ms
