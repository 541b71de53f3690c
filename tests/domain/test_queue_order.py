"""The order in which a worker serves its queues."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from jobd.domain.queue_order import Order, QueueOrder, weighted
from jobd.errors import OptionError


def orders(order: Order, *queues: str, times: int) -> list[str]:
    made = QueueOrder(order, queues, random.Random(1).random)
    return [made.next() for _ in range(times)]


def test_by_priority_nobody_says_an_order() -> None:
    assert orders(Order.PRIORITY, "a", "b", times=2) == ["", ""]


def test_strict_is_always_the_order_given() -> None:
    assert orders(Order.STRICT, "b", "a", times=2) == ["b a", "b a"]


def test_round_robin_begins_with_each_in_turn() -> None:
    assert orders(Order.ROUND_ROBIN, "a", "b", "c", times=4) == ["a b c", "b c a", "c a b", "a b c"]


def test_the_more_a_queue_weighs_the_more_often_it_is_first() -> None:
    first = Counter(names.split()[0] for names in orders(Order.WEIGHTED, "a=6", "b=3", "c", times=10_000))
    assert [round(first[name] / 10_000, 1) for name in "abc"] == [0.6, 0.3, 0.1]


def test_a_mark_stands_before_each_name() -> None:
    assert QueueOrder(Order.STRICT, ["b=2", "a"], random.random, mark="!").next() == "!b !a"


@pytest.mark.parametrize("word", ["a=0", "a=1001", "a=x", "a=", "No Such=1"])
def test_a_wrong_weight_or_name_is_refused(word: str) -> None:
    with pytest.raises(OptionError, match="queue"):
        weighted(word)
