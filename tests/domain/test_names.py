from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.names import (
    RESERVED_IDS,
    RESERVED_TYPES,
    check_chosen_id,
    check_queue_name,
    check_type_name,
    same_name,
)
from jobd.errors import OptionError

names = st.from_regex(r"\A[a-z0-9][a-z0-9_-]{0,127}\Z").filter(lambda name: name not in RESERVED_TYPES)
ids = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}\Z").filter(lambda word: word.lower() not in RESERVED_IDS)
WRONG_NAMES: list[Any] = ["", "-a", "_a", "A", "aB", "a b", "a.b", "a/b", "a\n", "ä", "a\0", "a" * 129, None, 5, b"a"]
WRONG_IDS: list[Any] = ["", ".a", "-a", "a b", "a/b", "a\n", "ä", "a\0", "a" * 129, "a%2F", "{a}", None, 5, b"a"]


@given(names)
def test_a_name_of_the_grammar_may_name_a_type_and_a_queue(name: str) -> None:
    assert check_type_name(name) == check_queue_name(name) == name


@given(ids)
def test_an_id_of_the_grammar_may_be_chosen(job_id: str) -> None:
    assert check_chosen_id(job_id) == job_id


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_other_names_are_refused_with_the_grammar(name: Any) -> None:
    with pytest.raises(OptionError, match=r"^job type .*: a name has up to 128 letters a-z, digits, '_' and '-'"):
        check_type_name(name)
    with pytest.raises(OptionError, match=r"^line: .* cannot name a queue; a name has up to 128 letters"):
        check_queue_name(name, option="line")


@pytest.mark.parametrize("job_id", WRONG_IDS)
def test_other_ids_are_refused_with_the_grammar(job_id: Any) -> None:
    with pytest.raises(OptionError, match=r"^id .*: an id of your own has up to 128 letters, digits and"):
        check_chosen_id(job_id)


@pytest.mark.parametrize("word", sorted(RESERVED_TYPES))
def test_words_of_our_paths_never_name_a_type(word: str) -> None:
    with pytest.raises(OptionError, match="taken by a path of the API; choose another name"):
        check_type_name(word)


@pytest.mark.parametrize("word", sorted(RESERVED_IDS))
def test_words_beside_ids_in_our_paths_are_never_an_id(word: str) -> None:
    for spelled in (word, word.upper()):
        with pytest.raises(OptionError, match="taken by a path of the API; choose another id"):
            check_chosen_id(spelled)


def test_in_look_ups_dashes_and_underscores_are_the_same() -> None:
    assert same_name("send_email") == same_name("send-email") == same_name("Send_Email")
    assert same_name("send-email") != same_name("sendemail")
