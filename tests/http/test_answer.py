"""Answers."""

from __future__ import annotations

import pytest

from jobd.domain.state import State
from jobd.http.answer import answer


@pytest.mark.threat("S12")
def test_what_a_handler_returned_is_told_exactly_even_beyond_64_bits() -> None:
    response = answer({"result": 2**70, "status": State.COMPLETED, "tags": ("a",)})

    assert response.body == b'{"result": 1180591620717411303424, "status": "completed", "tags": ["a"]}'


def test_text_that_is_no_unicode_does_not_keep_the_rest_from_being_told() -> None:
    assert isinstance(answer({"result": "\ud800", "id": "x"}).body, bytes)


def test_headers_of_the_answer_win_over_the_usual_ones() -> None:
    response = answer({}, 404, {"Content-Type": "application/problem+json"})

    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.body == b"{}"
