from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from jobd import errors
from jobd.errors import FieldFault, InvalidRequest, JobdError, JobFailed, PayloadError

ALL = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, JobdError)]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_says_when_it_is_raised_and_how_it_answers(kind: type[JobdError]) -> None:
    assert kind.__doc__
    assert kind.__doc__.startswith(("Raised ", "The family ", "The root"))
    assert 400 <= kind.status <= 599
    assert kind.code.replace("_", "").isalpha()
    assert kind.code == kind.code.lower()


def test_only_families_share_a_code() -> None:
    invalid = {kind for kind in ALL if issubclass(kind, InvalidRequest)}
    codes = [kind.code for kind in ALL if kind not in invalid]
    assert len(codes) == len(set(codes))
    assert {kind.code for kind in invalid} == {"validation_failed"}


@pytest.mark.parametrize(
    "error",
    [
        PayloadError("wrong", [FieldFault(pointer="/a", code="missing", message="this field is required")]),
        JobFailed("failed", {"type": "ValueError"}),
        *(kind("words") for kind in ALL),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_a_trip_to_another_process(error: JobdError) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)
