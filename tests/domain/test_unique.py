"""What makes jobs the same, as people say it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.duration import LONGEST_MS
from jobd.domain.state import State
from jobd.domain.unique import INCOMPLETE, Unique
from jobd.errors import OptionError

WAYS: list[tuple[Any, Unique | bool]] = [
    (True, Unique()),
    (False, False),
    ("order-42", Unique("order-42")),
    (["to", "subject"], Unique(fields=["to", "subject"])),
    ({"mode": "throttle", "period": "5m"}, Unique(mode="throttle", period="5m")),
    ({"mode": "throttle", "period_ms": 300_000}, Unique(mode="throttle", period="5m")),
    ({"key": "k", "scope": "type", "on_conflict": "error"}, Unique("k", scope="type", on_conflict="error")),
    ({"states": ["waiting", "failed"]}, Unique(states=["waiting", "failed"])),
    ({"states": "incomplete"}, Unique()),
]


@pytest.mark.parametrize(("said", "meant"), WAYS)
def test_people_say_it_in_several_ways(said: object, meant: object) -> None:
    assert Unique.parse(said) == meant


uniques = st.one_of(
    st.builds(
        Unique,
        st.none() | st.text(min_size=1, max_size=5),
        scope=st.sampled_from(["queue", "type"]),
        states=st.none() | st.sets(st.sampled_from(list(State)), min_size=1).map(lambda some: {*some, "waiting"}),
        period=st.none() | st.integers(1, 100),
        mode=st.sampled_from(["simple", "replace"]),
        on_conflict=st.sampled_from(["existing", "error", "ignore"]),
    ),
    st.builds(
        Unique,
        fields=st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=3),
        mode=st.sampled_from(["throttle", "debounce"]),
        period=st.integers(1, 100),
    ),
    st.builds(Unique, mode=st.just("keep_last")),
)


@given(uniques)
def test_what_is_written_reads_back(unique: Unique) -> None:
    written = orjson.loads(orjson.dumps(unique.to_json()))
    assert Unique.parse(written) == unique
    assert Unique.from_record(written) == unique


def test_what_a_newer_jobd_has_written_besides_is_passed_over() -> None:
    assert Unique.from_record({"key": "k", "colour": "red"}) == Unique("k")
    assert Unique.from_record({"mode": "sometimes"}) is None


def test_a_mode_says_in_which_states_the_key_is_kept() -> None:
    assert Unique().states == Unique(mode="keep_last").states == INCOMPLETE
    assert State.ACTIVE not in Unique(mode="debounce", period=1).states
    assert Unique(mode="throttle", period=1).states == frozenset(State)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"key": "k", "fields": ["a"]}, "unique: key and fields exclude each other"),
        ({"key": ""}, "unique.key: '' is not a text of 1 to 1,000 characters"),
        ({"fields": []}, "unique.fields: give 1 to 32 names of fields"),
        ({"fields": "to"}, "unique.fields: 'to' is not a list of names of fields"),
        ({"scope": "world"}, "unique.scope: 'world' is none of queue, type"),
        ({"mode": "some"}, "unique.mode: 'some' is none of simple, throttle, debounce, replace, keep_last"),
        ({"on_conflict": "cry"}, "unique.on_conflict: 'cry' is none of existing, error, ignore"),
        ({"mode": "throttle"}, "unique.period: the mode throttle needs one, such as 30s"),
        ({"mode": "debounce"}, "unique.period: the mode debounce needs one, such as 30s"),
        ({"mode": "keep_last", "period": 1}, "unique.period: there is none in the mode keep_last"),
        ({"mode": "throttle", "period": 1, "states": "all"}, "unique.states: they are given by the mode throttle"),
        ({"states": "asleep"}, "unique.states: 'asleep' are not states; there are waiting, delayed"),
        ({"states": ["active"]}, "unique.states: a job has its key from the start or not at all"),
        ({"period": 0}, "unique.period: 0 is out of range"),
        ({"period": 1, "period_ms": 1}, "unique: period and period_ms say the same in two ways"),
        ({"colour": "red"}, "unique: there is no part 'colour'; there are key, fields, scope, states"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as refused:
        Unique.parse(parts)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("said", [5, None, 1.5])
def test_what_is_no_uniqueness_at_all_is_refused(said: object) -> None:
    with pytest.raises(OptionError, match=r"unique: .* is not true or false, a key, a list of fields, or an object"):
        Unique.parse(said)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=2), lambda inner: st.lists(inner), max_leaves=4
)
payloads = st.dictionaries(st.sampled_from("abcd"), values, max_size=3)


@given(payloads, payloads)
def test_equal_payloads_have_equal_keys_and_others_do_not(one: dict[str, Any], other: dict[str, Any]) -> None:
    backwards = dict(reversed(list(one.items())))
    assert Unique().key_of("t", "q", one) == Unique().key_of("t", "q", backwards)
    written = [orjson.dumps(payload, option=orjson.OPT_SORT_KEYS) for payload in (one, other)]
    assert (Unique().key_of("t", "q", one) == Unique().key_of("t", "q", other)) == (written[0] == written[1])


def test_a_key_tells_types_queues_and_ways_apart() -> None:
    payload = {"a": 1, "b": 2}
    keys = [
        Unique().key_of("t", "q", payload),
        Unique().key_of("other", "q", payload),
        Unique().key_of("t", "other", payload),
        Unique(scope="type").key_of("t", "q", payload),
        Unique(fields=["a"]).key_of("t", "q", payload),
        Unique(fields=["b"]).key_of("t", "q", payload),
        Unique("a").key_of("t", "q", payload),
    ]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 24 and key.isalnum() for key in keys)
    assert Unique().key_of("a_b", "q", payload) == Unique().key_of("a-b", "q", payload)
    assert Unique(scope="type").key_of("t", "q", payload) == Unique(scope="type").key_of("t", "other", payload)
    assert Unique(fields=["a"]).key_of("t", "q", {"a": 1}) == Unique(fields=["a"]).key_of("t", "q", payload)


def test_its_json_says_no_more_than_was_said() -> None:
    assert Unique("a").to_json() == {"key": "a"}
    assert Unique(fields=("a", "b")).to_json() == {"fields": ["a", "b"]}
    assert Unique().to_json() is True


def test_a_period_in_milliseconds_is_a_number_up_to_ten_years() -> None:
    assert Unique.parse({"period_ms": LONGEST_MS}) == Unique(period=LONGEST_MS / 1_000)
    for wrong in (LONGEST_MS + 1, -LONGEST_MS - 1, 10**400, True):
        with pytest.raises(OptionError, match=r"^unique\.period"):
            Unique.parse({"period_ms": wrong})


@pytest.mark.parametrize("parts", [{"key": 5}, {"key": ["a"]}, {"fields": 5}, {"fields": [5]}])
def test_a_key_is_a_text_and_fields_are_names(parts: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=r"^unique\.(key|fields): "):
        Unique(**parts)


def test_a_field_that_payloads_do_not_have_is_answered_with_those_there_are() -> None:
    Unique("a").check_fields("mail", ["to"])
    Unique(fields=["to"]).check_fields("mail", iter(["to", "cc"]))
    with pytest.raises(OptionError, match=r"the payload of mail has no field 'bcc'; there are to, cc$"):
        Unique(fields=["to", "bcc"]).check_fields("mail", ["to", "cc"])
    with pytest.raises(OptionError, match=r"the payload of mail has no field 'to'; it has none$"):
        Unique(fields=["to"]).check_fields("mail", [])
