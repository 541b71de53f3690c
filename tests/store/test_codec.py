"""Records read back as they were packed, by Python and by the scripts, whatever is in them."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from dataclasses import replace
from itertools import product
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.backoff import Backoff
from jobd.domain.duration import spoken
from jobd.domain.keep import Keep
from jobd.domain.options import DEFAULTS, Options
from jobd.domain.outcome import Ending
from jobd.domain.state import State
from jobd.domain.time_limits import PlannedLimits
from jobd.errors import OptionError, StoreRefused
from jobd.store import codec
from jobd.store.codec import (
    LARGEST_OPTIONS,
    UNREADABLE,
    delivery_under_way,
    pack_head,
    unpack_delivery,
    unpack_job,
    unpack_spec,
)
from jobd.store.facts import LARGEST_FACTS, members, pack_facts
from jobd.store.own_options import own_options
from jobd.store.shard import Shard
from tests.store.hands import START_MS, Clock, Hands, new_job

names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,127}", fullmatch=True)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
all_options = st.builds(
    Options,
    queue=names,
    priority=st.integers(1, 10),
    max_attempts=st.integers(1, 1_000),
    timeout_ms=st.integers(0, codec.LONGEST_TIMEOUT_MS),
    backoff=st.none() | st.just(Backoff.exponential("3s")) | st.just(Backoff.fixed("7s")),
    delay_ms=st.none() | st.integers(0, 10**12),
    tags=st.none() | st.lists(st.text(min_size=1), max_size=4).map(tuple),
    metadata=st.none() | st.dictionaries(st.text(), json_values, max_size=4),
)


def stamped(head: bytes, created: float) -> bytes:
    """What the script makes of a head: lua/lib/spec.lua."""
    return struct.pack(">Bd", 1, created) + head


def run(state: str = "a", holder: bytes = b"w", queue: bytes = b"q", history: bytes = b"", **fields: Any) -> bytes:
    """A run record: lua/lib/run.lua."""
    known = {"flags": 0, "crashes": 0, "attempt": 1, "deliveries": 1, "fence": 1.0, "started": 5.0, "finished": 6.0}
    known |= {"due": 0.0} | fields
    head = struct.pack(">BcBBHHddddBB", 1, state.encode(), *known.values(), len(holder), len(queue))
    return head + holder + queue + history


@given(name=names, options=all_options, payload=json_values, created=st.integers(0, 2**45))
def test_a_job_reads_back_with_all_its_options(name: str, options: Options, payload: object, created: int) -> None:
    spec = stamped(pack_head(name, options) + orjson.dumps(payload), created)
    job = unpack_job("id", spec, b"", b"", b"")
    assert (job.type, job.queue, job.priority) == (name, options.queue, options.priority)
    assert (job.max_attempts, job.timeout_ms, job.backoff) == (
        options.max_attempts,
        options.timeout_ms,
        options.backoff,
    )
    assert (job.tags, job.metadata, job.data) == (options.tags or (), options.metadata or {}, payload)
    assert round(job.created_at.timestamp() * 1_000) == created
    assert round((job.run_at - job.created_at).total_seconds() * 1_000) == (options.delay_ms or 0)
    assert (job.status, job.attempt, job.attempts) == (State.WAITING, 0, ())


@given(
    name=names,
    options=all_options,
    payload=st.binary(max_size=300),
    holder=st.text(min_size=1, max_size=60).map(str.encode),
    fence=st.integers(1, 2**53),
    attempt=st.integers(0, 65_535),
    deliveries=st.integers(0, 65_535),
    crashes=st.integers(0, 255),
    suspect=st.booleans(),
    history=st.binary(max_size=50),
)
def test_a_delivery_reads_back_whatever_bytes_are_in_it(
    name: str,
    options: Options,
    payload: bytes,
    holder: bytes,
    fence: int,
    attempt: int,
    deliveries: int,
    crashes: int,
    suspect: bool,
    history: bytes,
) -> None:
    record = run(
        holder=holder,
        queue=(options.queue or "").encode(),
        history=history,
        fence=float(fence),
        attempt=attempt,
        deliveries=deliveries,
        crashes=crashes,
        flags=14 + suspect,
    )
    delivery = unpack_delivery(b"id", stamped(pack_head(name, options) + payload, 9.0), record)
    assert (delivery.id, delivery.type, delivery.queue, delivery.payload) == ("id", name, options.queue, payload)
    assert (delivery.holder, delivery.fence, delivery.attempt) == (holder.decode(), fence, attempt)
    assert (delivery.deliveries, delivery.crashes, delivery.suspect) == (deliveries, crashes, suspect)
    assert own_options(delivery.options).backoff == options.backoff


def test_whatever_a_record_has_or_lacks_people_workers_and_copies_read_the_same() -> None:
    times: tuple[dict[str, Any], ...] = ({}, {"timeout_ms": 60_000}, {"heartbeat_timeout_ms": 2_000})
    times += (times[1] | times[2], times[2] | {"queue_timeout_ms": 5_000}, times[1] | {"queue_timeout_ms": 5_000})
    planned: tuple[dict[str, Any], ...] = ({}, {"run_at_ms": 9_000}, {"delay_ms": 5_000, "tags": ("x",)})
    for said, group, unique, weight, front, more in product(
        times, ("", "a"), ("", "k:1"), (None, 3), (None, True), planned
    ):
        options = replace(Options(queue="q", priority=5, max_attempts=2, **said, **more), front=front)
        options = replace(options, rate_weight=weight, group=group or None)
        lane_key = f"g={group}" if group else ""
        head = pack_head("t", options, lane_key=lane_key, unique=unique, front=bool(front))
        spec = stamped(head + b"[7]", 4_000.0)
        job, read = unpack_job("id", spec, b"", b"", b""), unpack_spec(spec)
        delivery = unpack_delivery(b"id", spec, run())
        assert (read.type, read.payload, read.unique) == (job.type, b"[7]", unique) == ("t", delivery.payload, unique)
        timeout = options.timeout_ms or 0
        assert read.options == replace(options, timeout_ms=timeout)
        assert (job.timeout_ms, delivery.timeout_ms) == (timeout,) * 2
        assert (job.data, job.unique_key, job.options.front) == ([7], "k" if unique else None, front)
        assert (job.options.rate_weight, job.options.group, job.tags) == (weight, options.group, options.tags or ())
        assert job.options.heartbeat_timeout_ms == options.heartbeat_timeout_ms
        assert (delivery.lane_key, delivery.type, delivery.queue, delivery.unreadable) == (lane_key, "t", "q", "")
        assert own_options(delivery.options).tags == options.tags
        assert (delivery.limits is not None) == bool(options.heartbeat_timeout_ms or options.queue_timeout_ms)
        assert job.run_at.timestamp() == (9 if more else 4)
        if delivery.limits is not None:
            assert delivery.limits.heartbeat_ms == (options.heartbeat_timeout_ms or 0)


def test_a_job_reads_back_with_its_origin_and_the_limits_that_were_planned_for_it() -> None:
    planned = PlannedLimits(expires_ms=9_000, deadline_ms=-50)
    spec = stamped(pack_head("a", DEFAULTS, beside={"origin": "b"}, limits=planned) + b"{}", 1.0)
    read = unpack_spec(spec)
    assert (read.limits, read.beside, unpack_job("id", spec, b"", b"", b"").origin) == (planned, {"origin": "b"}, "b")
    first, second = (unpack_delivery(b"id", spec, run(deliveries=number)).limits for number in (1, 2))
    assert first is not None
    assert second is not None
    assert (first.expires_ms, second.expires_ms, second.deadline_ms) == (9_000, 0, 51)


@pytest.mark.parametrize("kept", [{"keep_completed": Keep(count=3)}, {"keep_failed": Keep(count=3)}, {}])
def test_a_record_says_whether_its_job_says_itself_how_long_it_is_kept(kept: dict[str, Any]) -> None:
    assert bool(pack_head("a", Options(queue="q", **kept))[0] & 8) == bool(kept)


@pytest.mark.parametrize(("state", "flags", "read"), [("a", 2, (1, True)), ("a", 0, (1, False)), ("w", 2, (0, False))])
def test_a_delivery_is_under_way_while_its_job_is_active(state: str, flags: int, read: tuple[int, bool]) -> None:
    assert delivery_under_way(run(state, flags=flags)) == read
    assert delivery_under_way(b"damaged") == (0, False)


def test_what_running_has_changed_is_shown_in_the_states_in_which_it_holds() -> None:
    spec, asked = stamped(pack_head("a", DEFAULTS), 1.0), b'{"asked_at":3,"reason":"asked"}'
    for state in "wdbacfx":
        for started, flags in ((5.0, 0), (0.0, 2)):
            record = run(state, started=started, flags=flags, history=asked)
            job = unpack_job("id", spec, record, b"7", b'{"done":1,"at":5}')
            assert (job.started_at is not None) == bool(started)
            assert (job.finished_at is not None) == (state in "cfx")
            assert (job.worker, job.result) == ("w" if state == "a" else None, 7 if state == "c" else None)
            assert job.progress is not None
            assert job.reason == (None if state == "c" and not flags else "asked")


@given(facts=st.dictionaries(st.text(), json_values, max_size=5))
def test_facts_can_be_put_into_a_line_of_json(facts: dict[str, Any]) -> None:
    line = b'{"number":1' + (b"," if facts else b"") + members(facts) + b"}"
    assert b"\n" not in line
    assert json.loads(line) == {"number": 1} | facts


@given(
    facts=st.dictionaries(
        st.text(st.characters(), max_size=10),
        st.text(st.characters(), max_size=40)
        | st.text(st.characters(), min_size=1).map(lambda text: text * 20_000)
        | st.floats()
        | st.binary()
        | st.builds(object)
        | st.lists(st.text(st.characters()), max_size=3)
        | st.dictionaries(st.integers(), st.text(st.characters()), max_size=3),
        max_size=6,
    )
)
def test_whatever_an_attempt_leaves_behind_can_be_kept(facts: dict[str, Any]) -> None:
    packed = pack_facts(facts)
    assert len(packed) <= LARGEST_FACTS
    json.loads(b"{" + packed + b"}")


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    packed = orjson.loads(b"{" + pack_facts({"worker": "w", "error": {"traceback": "a" * 50_000 + "the end"}}) + b"}")
    assert packed["worker"] == "w"
    assert packed["error"]["traceback"].startswith("aaa")
    assert packed["error"]["traceback"].endswith("the end")


def test_too_many_long_texts_are_dropped_rather_than_kept() -> None:
    assert pack_facts({str(number): "x" * 1_000 for number in range(1_000)}) == b""


async def test_the_scripts_read_a_packed_job_as_python_does(hands: Hands, shard: Shard, clock: Clock) -> None:
    job = new_job("a", queue="q" * 128, type="t" * 128, priority=10, timeout_ms=2**32 - 1, metadata={"k": "é\u2028"})
    await hands.put(job)
    await hands.join()
    (delivery,) = await hands.fetch(types=f",{'t' * 128},")
    assert (delivery.queue, delivery.type, delivery.timeout_ms) == ("q" * 128, "t" * 128, 2**32 - 1)
    assert (await hands.job("a")).metadata == {"k": "é\u2028"}
    assert clock.ms == START_MS


def test_what_is_too_large_for_a_record_is_refused_with_the_reason() -> None:
    with pytest.raises(OptionError, match="too many"):
        pack_head("a", Options(queue="q", metadata={"k": "x" * 70_000}).over(DEFAULTS))
    room = LARGEST_OPTIONS - len(orjson.dumps({"metadata": {"k": ""}}))
    pack_head("a", Options(metadata={"k": "x" * room}))
    with pytest.raises(OptionError, match="too many"):
        pack_head("a", Options(metadata={"k": "x" * (room + 1)}))
    with pytest.raises(OptionError, match="JSON"):
        pack_head("a", Options(queue="q", metadata={"k": object()}).over(DEFAULTS))
    with pytest.raises(OptionError, match=f"timeout: {spoken(2**32)} is too long; it may be up to 49 days"):
        pack_head("a", Options(queue="q", timeout_ms=2**32).over(DEFAULTS))


def test_a_record_of_a_newer_jobd_is_not_shown_and_can_only_be_given_back() -> None:
    spec = b"\x02" + stamped(pack_head("a", DEFAULTS), 1.0)[1:]
    with pytest.raises(StoreRefused, match="version 2"):
        unpack_job("id", spec, b"", b"", b"")
    with pytest.raises(StoreRefused, match="version 2"):
        unpack_spec(spec)
    delivery = unpack_delivery(b"id", spec, run())
    assert delivery.type == UNREADABLE
    assert delivery.unreadable.startswith("a job's record has version 2, and this jobd knows 1")
    damaged = unpack_delivery(b"id", b"\x01", run())
    assert damaged.unreadable == "the record of the job is damaged; it can only be deleted"
    assert delivery.max_attempts == DEFAULTS.max_attempts


@pytest.mark.threat("S23")
@given(raw=st.binary(max_size=200), at=st.integers(0, 200))
def test_no_record_whatever_is_in_it_breaks_its_reader(raw: bytes, at: int) -> None:
    spec = stamped(pack_head("a", DEFAULTS, lane_key="g=a") + b"{}", 1.0)
    for damaged in (raw, spec[:at] + raw, spec[:at] + raw + spec[at + len(raw) :]):
        unpack_delivery(b"id", damaged, run())
        with suppress(StoreRefused):
            unpack_job("id", damaged, run(), raw, raw)
        with suppress(StoreRefused):
            unpack_job("id", spec, damaged, raw, raw)


def test_a_payload_that_is_no_json_is_shown_as_text() -> None:
    job = unpack_job("id", stamped(pack_head("a", DEFAULTS) + b"\xff{", 1.0), b"", b"", b"")
    assert job.data == "\ufffd{"


def test_reasons_and_errors_come_from_where_they_belong() -> None:
    spec = stamped(pack_head("a", DEFAULTS), 1.0)
    raised = b'{"number":1,"started_at":1,"finished_at":2,"worker":"w","outcome":"raised","error":{"message":"no"}}'
    asked = b'{"asked_at":3,"reason":"asked"}'
    stopped = b'{"number":2,"started_at":3,"finished_at":4,"worker":"w","outcome":"cancelled","reason":"stopped"}'
    cancelled = b'{"cancelled_at":3,"reason":"by hand"}'
    expired = b'{"failed_at":3,"error":{"message":"too late"}}'

    def seen(state: str, *history: bytes) -> tuple[object, object]:
        job = unpack_job("id", spec, run(state, history=b"\n".join(history)), b"", b"")
        return job.error, job.reason

    assert seen("d", raised) == ({"message": "no"}, None)
    assert seen("x", raised, cancelled) == ({"message": "no"}, "by hand")
    assert seen("a", raised, asked) == ({"message": "no"}, "asked")
    assert seen("x", raised, asked, stopped) == (None, "asked")
    assert seen("x", raised, stopped) == (None, "stopped")
    assert seen("d", stopped, raised) == ({"message": "no"}, None)
    assert seen("f", raised, expired) == ({"message": "too late"}, None)
    assert seen("c", raised) == (None, None)
    assert seen("f") == (None, None)


def test_attempts_of_all_kinds_read_back() -> None:
    lines = [
        orjson.dumps({"number": 1, "started_at": 1_000, "finished_at": 2_500, "worker": "w", "outcome": ending})
        for ending in Ending
    ]
    spec = stamped(pack_head("a", DEFAULTS), 1.0)
    job = unpack_job("id", spec, run("f", history=b"\n".join(lines)), b"", b"")
    assert [attempt.outcome for attempt in job.attempts] == list(Ending)
    assert {attempt.duration_ms for attempt in job.attempts} == {1_500}
    assert job.duration_ms == 1_500


@pytest.mark.parametrize("holds", [b"", b"t/a c/b"])
def test_what_a_job_takes_up_at_limits_hides_nothing_that_was_written_behind_it(holds: bytes) -> None:
    line = b'{"number":1,"started_at":1,"finished_at":2,"worker":"w","outcome":"raised","error":{"message":"no"}}'
    flags, before = (16, len(holds).to_bytes(2) + holds) if holds else (0, b"")
    spec = stamped(pack_head("a", DEFAULTS), 1.0)
    for state, ending in (("a", None), ("c", Ending.RETURNED), ("f", Ending.RAISED)):
        job = unpack_job("id", spec, run(state, history=before + line, flags=flags, attempt=2), b"", b"")
        assert (len(job.attempts), job.attempts[-1].outcome) == (1 if state == "f" else 2, ending)
        assert (job.cancel_requested, job.run_at) == (False, job.created_at)
    for state, asked in (("a", True), ("x", False)):
        assert unpack_job("id", spec, run(state, flags=2), b"", b"").cancel_requested is asked


@pytest.mark.parametrize(
    "said",
    [
        b"no JSON",
        b"[1]",
        b"{}",
        b'{"done":"half","at":5}',
        b'{"done":true,"at":5}',
        b'{"done":null,"total":2,"at":5}',
        b'{"done":1}',
        b'{"done":1,"at":"noon"}',
        b'{"done":1,"at":1e300}',
    ],
)
def test_progress_that_nobody_can_have_said_does_not_hide_the_job(said: bytes) -> None:
    job = unpack_job("id", stamped(pack_head("noop", DEFAULTS), 1), run(), b"", said)
    assert (job.status, job.progress) == (State.ACTIVE, None)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (b'{"done":1,"total":4,"message":null,"at":5}', (1, 4, 25.0, None)),
        (b'{"done":1,"total":"many","message":7,"at":5}', (1, None, None, "7")),
    ],
)
def test_a_total_that_is_no_number_is_an_unknown_total(said: bytes, read: tuple[object, ...]) -> None:
    progress = unpack_job("id", stamped(pack_head("noop", DEFAULTS), 1), run(), b"", said).progress
    assert progress is not None
    assert (progress.done, progress.total, progress.percent, progress.message) == read


def test_options_are_an_object_and_nothing_else() -> None:
    with pytest.raises(TypeError, match="an object"):
        own_options(b"[]")
