"""A job as a value."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobd.domain.job import Progress

AT = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("done", "total", "percent"),
    [
        (1, 4, 25.0),
        (1, 3, 33.33),
        (6, 4, 150.0),
        (0, 4, 0.0),
        (1, None, None),
        (1, 0, None),
        (1, -4, None),
        (1, float("nan"), None),
        (float("inf"), 4, None),
        (1, 5e-324, None),
        (10**400, 4, None),
    ],
)
def test_percent_is_told_where_there_is_one(done: float, total: float | None, percent: float | None) -> None:
    assert Progress(done=done, total=total, message=None, at=AT).percent == percent
