"""How many ended jobs are kept, as people and the store write it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobd.domain.keep import MOST, Keep
from jobd.errors import OptionError

WEEK_MS = 7 * 86_400_000


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (10, Keep(10)),
        (0, Keep(0)),
        (MOST, Keep(MOST)),
        ("last 10", Keep(10)),
        ("10", Keep(10)),
        ("7d", Keep(age_ms=WEEK_MS)),
        (timedelta(days=7), Keep(age_ms=WEEK_MS)),
        ("1000 for 7d", Keep(1_000, WEEK_MS)),
        ("1000, 7d", Keep(1_000, WEEK_MS)),
        ("none", Keep(0)),
        ("Nothing", Keep(0)),
        (" all ", Keep()),
        ({"count": 5}, Keep(5)),
        ({"age_ms": 5_000}, Keep(age_ms=5_000)),
        ({"count": None, "age_ms": 0}, Keep(age_ms=0)),
        ({"count": 5, "age_ms": 5_000}, Keep(5, 5_000)),
        (Keep(3), Keep(3)),
    ],
)
def test_people_write_it_in_several_ways_and_each_form_reads_back(written: Any, meant: Keep) -> None:
    assert Keep.parse(written) == meant
    assert Keep.parse(meant.to_json()) == meant
    if meant.age_ms != 0:
        assert Keep.parse(str(meant)) == meant


def test_its_forms_say_no_more_than_was_said() -> None:
    assert (Keep().to_json(), str(Keep())) == ("all", "all")
    assert (Keep(5).to_json(), str(Keep(5))) == ({"count": 5}, "5")
    assert (Keep(age_ms=WEEK_MS).to_json(), str(Keep(age_ms=WEEK_MS))) == ({"age_ms": WEEK_MS}, "7d")
    assert str(Keep(5, WEEK_MS)) == "5 for 7d"


@pytest.mark.parametrize(
    "written",
    [
        *(True, -1, MOST + 1, 1.5, None, timedelta(days=-1), "", "for", "many", "5 apples"),
        *({}, {"count": -1}, {"count": True}, {"count": "5"}, {"count": 5, "size": 5}, {"size": 5}),
    ],
)
def test_what_does_not_say_what_is_kept_is_refused(written: Any) -> None:
    with pytest.raises(OptionError, match=r"^keep: .* does not say what is kept; use 10 \(the last ten\)"):
        Keep.parse(written)
