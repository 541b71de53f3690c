"""Records read back as they were packed, by Python and by the scripts, whatever is in them."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.backoff import Backoff
from jobd.domain.options import DEFAULTS, Options
from jobd.domain.outcome import Ending
from jobd.domain.state import State
from jobd.errors import OptionError, StoreRefused
from jobd.store import codec
from jobd.store.codec import UNREADABLE, pack_head, unpack_delivery, unpack_job
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
    with pytest.raises(OptionError, match="JSON"):
        pack_head("a", Options(queue="q", metadata={"k": object()}).over(DEFAULTS))
    with pytest.raises(OptionError, match="49 days"):
        pack_head("a", Options(queue="q", timeout_ms=2**32).over(DEFAULTS))


def test_a_record_of_a_newer_jobd_is_not_shown_and_can_only_be_given_back() -> None:
    spec = b"\x02" + stamped(pack_head("a", DEFAULTS), 1.0)[1:]
    with pytest.raises(StoreRefused, match="version 2"):
        unpack_job("id", spec, b"", b"", b"")
    delivery = unpack_delivery(b"id", spec, run())
    assert delivery.type == UNREADABLE
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
