"""Isolation, as people and the store write it."""

from __future__ import annotations

from typing import Any

import pytest

from jobd.domain.isolation import LEAST_MEMORY, Isolation
from jobd.errors import OptionError

BOTH = Isolation(memory=512_000_000, cpu_ms=30_000)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("process", Isolation()),
        (" Process ", Isolation()),
        ("none", Isolation(process=False)),
        (Isolation(process=False), Isolation(process=False)),
        ("process memory=512MB cpu=30s", BOTH),
        ("memory=512MB, cpu=30s", BOTH),
        ("cpu=1500ms", Isolation(cpu_ms=1_500)),
        ({"memory": "512MB", "cpu": "30s"}, BOTH),
        ({"memory": 512_000_000, "cpu_ms": 30_000}, BOTH),
        ({"cpu": 30}, Isolation(cpu_ms=30_000)),
        ({"memory": LEAST_MEMORY}, Isolation(memory=LEAST_MEMORY)),
    ],
)
def test_people_write_it_in_several_ways_and_each_form_reads_back(written: Any, meant: Isolation) -> None:
    assert Isolation.parse(written) == meant
    assert Isolation.parse(meant.to_json()) == Isolation.parse(str(meant)) == meant


def test_its_forms_say_no_more_than_was_said() -> None:
    assert (Isolation().to_json(), str(Isolation())) == ("process", "process")
    assert (Isolation(process=False).to_json(), str(Isolation(process=False))) == ("none", "none")
    assert BOTH.to_json() == {"memory": 512_000_000, "cpu_ms": 30_000}
    assert str(BOTH) == "process memory=512MB cpu=30s"
    assert (Isolation(cpu_ms=5).to_json(), str(Isolation(cpu_ms=5))) == ({"cpu_ms": 5}, "process cpu=5ms")
    only_memory = Isolation(memory=512_000_000)
    assert (only_memory.to_json(), str(only_memory)) == ({"memory": 512_000_000}, "process memory=512MB")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", ": '' does not say how a handler runs; use \"process\""),
        ("thread", ": 'thread' does not say how"),
        ("process memory", ": 'process memory' does not say how"),
        (True, ": True does not say how"),
        (5, ": 5 does not say how"),
        ({}, ": {} does not say how"),
        ({"disk": 5}, ": {'disk': 5} does not say how"),
        ({"cpu": "5s", "cpu_ms": 5}, ": {.*} does not say how"),
        ({"cpu_ms": True}, r"\.cpu_ms: True is not a whole number of milliseconds"),
        ({"cpu_ms": "5"}, r"\.cpu_ms: '5' is not a whole number"),
        ({"cpu_ms": 0}, r"\.cpu: "),
        ({"memory": LEAST_MEMORY - 1}, r"\.memory: "),
        ("memory=much", r"\.memory: "),
    ],
)
def test_what_does_not_say_how_a_handler_runs_is_refused(written: Any, said: str) -> None:
    with pytest.raises(OptionError, match=f"^isolation{said}"):
        Isolation.parse(written)
