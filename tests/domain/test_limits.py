"""What operators say of queues, groups, types and keys, and the gates that they say it of."""

from __future__ import annotations

from typing import Any

import pytest

from jobd.domain.keep import Keep
from jobd.domain.limits import LIMITS, Scope, gate_of, read_limits, scope_of, tell_limits
from jobd.errors import OptionError


@pytest.mark.parametrize(
    ("scope", "names", "gate"),
    [
        (Scope.QUEUE, ("mail-out",), "q/mail_out"),
        (Scope.GROUP, ("mail", "a/b c"), "g/mail/a%2Fb%20c"),
        (Scope.TYPE, ("send_mail",), "t/send_mail"),
        (Scope.KEY, ("a/b",), "c/a%2Fb"),
        (Scope.RATE, ("a/b",), "r/a%2Fb"),
    ],
)
def test_a_gate_tells_what_it_is_of(scope: Scope, names: tuple[str, ...], gate: str) -> None:
    made = gate_of(scope, *names)
    assert made.replace("-", "_") == gate
    found, (*above, last) = scope_of(made)
    assert (found, len(above), last.replace("-", "_")) == (scope, len(names) - 1, names[-1].replace("-", "_"))


@pytest.mark.parametrize(
    ("scope", "names", "said"),
    [
        (Scope.GROUP, ("mail",), "group: give the queue and the group, not mail"),
        (Scope.QUEUE, ("a", "b"), "queue: give one name, not a b"),
        (Scope.TYPE, (), "type: give one name, not nothing"),
    ],
)
def test_names_that_are_missing_or_too_many_are_refused(scope: Scope, names: tuple[str, ...], said: str) -> None:
    with pytest.raises(OptionError, match=f"^{said}$"):
        gate_of(scope, *names)


def test_what_is_said_of_a_queue_reads_back_from_its_rule() -> None:
    said: dict[str, Any] = {
        "concurrency": 5,
        "rate": {"count": 100, "per_ms": 60_000, "burst": 7},
        "group_rate": {"count": 1, "per_ms": 1_000},
        "ageing_ms": 60_000,
        "keep_failed": {"count": 5},
    }
    rule = read_limits(Scope.QUEUE, said, lambda kind: kind.from_json)
    assert rule["rate"] == {"n": 100, "ms": 60_000, "burst": 7}
    assert (rule["ageing_ms"], rule["keep_failed"]) == (60_000, {"count": 5})
    assert tell_limits(rule) == said
    assert Keep.parse(tell_limits(rule)["keep_failed"]) == Keep(5)


def test_a_limit_is_taken_back_by_saying_nothing_of_it() -> None:
    assert read_limits(Scope.QUEUE, {"concurrency": None, "ageing": None}, lambda kind: kind.from_text) == {
        "concurrency": None,
        "ageing_ms": None,
    }


def test_a_limit_that_is_none_there_is_answered_with_those_there_are() -> None:
    with pytest.raises(OptionError, match=r"^there is no limit 'concurency' of a queue; did you mean 'concurrency'\?$"):
        read_limits(Scope.QUEUE, {"concurency": 5}, lambda kind: kind.from_json)
    with pytest.raises(OptionError, match=r"^there is no limit 'xyz' of a key; there are concurrency$"):
        read_limits(Scope.KEY, {"xyz": 5}, lambda kind: kind.from_json)
    assert {limit.field for limit in LIMITS.values()} >= {"concurrency", "rate", "ageing_ms"}
