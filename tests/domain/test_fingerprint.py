from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.fingerprint import alike, fingerprinted
from jobd.domain.outcome import ErrorRecord


def of(kind: str = "ValueError", at: str = "shop.pay:charge", message: str = "no") -> str:
    return fingerprinted(ErrorRecord(type=kind, at=at, message=message))["fingerprint"]


@given(st.integers(), st.integers(), st.uuids(), st.uuids(), st.datetimes(), st.datetimes())
def test_numbers_ids_and_times_make_no_difference(
    one: int, other: int, first: object, second: object, then: object, now: object
) -> None:
    said = "order {} of {} at {} took {} ms"
    assert of(message=said.format(abs(one), first, then, abs(one))) == of(
        message=said.format(abs(other), second, now, abs(other))
    )


@pytest.mark.parametrize(
    ("message", "same"),
    [
        ("no user 17", "no user #"),
        ("  no\n user\t17 ", "no user #"),
        ("no user 043640c3-fe58-477a-92e6-fd1f7f10c06d", "no user #"),
        ("<Thing at 0x7f00aa12>", "<Thing at #>"),
        ("job 01KAMWZY9SVJ3Y4S5QKZ8J6T2N is gone", "job # is gone"),
        ("commit deadbeef1 of 3f2a9c01", "commit # of #"),
        ("mail to ada@example.org failed", "mail to # failed"),
        ("10.0.0.1:6379 answered in 0.5 s", "# answered in # s"),
        ("the internationalisation of words stays", "the internationalisation of words stays"),
    ],
)
def test_what_is_left_of_a_message(message: str, same: str) -> None:
    assert alike(message) == same


def test_type_place_and_words_make_a_difference() -> None:
    assert len({of(), of(kind="KeyError"), of(at="shop.pay:refund"), of(message="yes")}) == 4


@given(st.text(), st.text())
def test_every_error_has_one_and_keeps_the_rest(kind: str, message: str) -> None:
    error = ErrorRecord(type=kind, message=message, traceback="…")
    told = fingerprinted(error)
    assert len(told["fingerprint"]) == 12
    assert {name: value for name, value in told.items() if name != "fingerprint"} == error
    assert fingerprinted(told) == told
