from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.ids import MOST_SHARDS, is_made_id, looks_made, made_at_ms, new_id, shard_of_id
from jobd.domain.names import check_chosen_id

times = st.integers(0, 2**48 - 1)
shards = st.integers(0, MOST_SHARDS - 1)
random_bits = st.lists(st.integers(0, 31), min_size=14, max_size=14).map(lambda fives: int.from_bytes(bytes(fives)))


@given(times, shards, random_bits)
def test_an_id_has_26_letters_and_says_when_and_where_it_was_made(now_ms: int, shard: int, bits: int) -> None:
    job_id = new_id(now_ms, lambda count: bits, shard)
    assert len(job_id) == 26
    assert is_made_id(job_id)
    assert looks_made(job_id)
    assert made_at_ms(job_id) == now_ms
    assert shard_of_id(job_id) == shard
    assert check_chosen_id(job_id) == job_id  # its letters are harmless in URLs and keys


@given(times, times, shards, shards, random_bits, random_bits)
def test_ids_sort_by_the_time_they_were_made(
    one_ms: int, other_ms: int, one_shard: int, other_shard: int, one_bits: int, other_bits: int
) -> None:
    one = new_id(one_ms, lambda count: one_bits, one_shard)
    other = new_id(other_ms, lambda count: other_bits, other_shard)
    if one_ms != other_ms:
        assert (one < other) == (one_ms < other_ms)


@given(random_bits, random_bits, shards)
def test_ids_of_one_moment_differ_by_their_random_bits(one: int, other: int, shard: int) -> None:
    same = new_id(1, lambda count: one, shard) == new_id(1, lambda count: other, shard)
    assert same == (one == other)


def test_seventy_random_bits_count_of_those_that_are_asked_for() -> None:
    def dice(bit: int) -> Callable[[int], int]:
        return lambda count: 1 << bit if count == 112 else 0

    assert len({new_id(0, dice(bit)) for bit in range(112)}) == 1 + 70


def test_many_ids_of_one_millisecond_are_different() -> None:
    dice = random.Random(1).getrandbits
    assert len({new_id(1_700_000_000_000, dice) for _ in range(100_000)}) == 100_000


@given(st.text(max_size=30))
def test_only_texts_of_the_form_are_taken_for_made_ids(text: str) -> None:
    if is_made_id(text):
        assert looks_made(text)
        assert 0 <= shard_of_id(text) < MOST_SHARDS
        assert 0 <= made_at_ms(text) < 2**48


def test_small_letters_look_made_and_are_not() -> None:
    job_id = new_id(1_700_000_000_000, lambda count: 12345).lower()
    assert looks_made(job_id)
    assert not is_made_id(job_id)


def test_what_is_not_quite_a_ulid_may_be_chosen() -> None:
    for near in ("8" + "0" * 25, "0" * 25, "0" * 27, "0" * 25 + "U", "0" * 25 + "\n"):
        assert not looks_made(near)
        assert not is_made_id(near)
