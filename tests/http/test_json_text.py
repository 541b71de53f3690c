"""JSON from outside: what is taken is what json.loads takes, and nothing is changed silently."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobd.http.json_text import DEEPEST, LONGEST_NUMBER, find_fault, parse
from jobd.http.refusals import BadRequest

texts = st.text(st.characters(exclude_categories=["Cs"]))
names = texts.filter(lambda text: "\0" not in text)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=40)


class Twice(ValueError):
    pass


def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in found}) < len(found):
        raise Twice
    return dict(found)


def oracle(raw: bytes) -> Any:
    """What the text is by the standard library, under our rules. Raises ValueError."""

    def refuse(word: str) -> Any:
        raise ValueError(word)

    def whole(word: str) -> int:
        if len(word) > LONGEST_NUMBER or not -(2**63) <= int(word) < 2**64:
            raise ValueError(word)
        return int(word)

    def part(word: str) -> float:
        if len(word) > LONGEST_NUMBER or float(word) in (float("inf"), float("-inf")):
            raise ValueError(word)
        return float(word)

    value = json.loads(raw.decode(), object_pairs_hook=pairs, parse_constant=refuse, parse_int=whole, parse_float=part)
    json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate has no UTF-8
    if deep(value) > DEEPEST or any("\0" in name for name in all_names(value)):
        raise ValueError
    return value


def deep(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(deep, inner), default=0)


def all_names(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(name for item in value.values() for name in all_names(item))]
    return [name for item in value for name in all_names(item)] if isinstance(value, list) else []


def agree(raw: bytes) -> None:
    """We and the standard library take the same texts, and read the same from them."""
    try:
        expected = oracle(raw)
    except (ValueError, RecursionError):
        with pytest.raises(BadRequest) as refused:
            parse(raw)
        assert refused.value.faults
        return
    assert find_fault(raw) is None
    assert repr(parse(raw)) == repr(expected) or (parse(raw) == expected and b"-0" in raw)


@given(values, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_every_valid_document_is_read_as_the_standard_library_reads_it(
    value: Any, ascii_only: bool, indent: Any
) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()

    assert find_fault(raw) is None
    assert parse(raw) == value


# fmt: off
words = st.sampled_from([
    "{", "}", "[", "]", ",", ":", '"a"', '"b"', '"a\\u0000"', '"\\ud800"', '"\\\\"', '"\\""', '"', "\\", " ", "\n",
    "1", "-0", "1e5", "1e999", "01", "1.", "NaN", "-Infinity", "true", "null", "\0", "\ufeff",
    "9" * 19, "9" * 20, "9" * 25, "0." + "1" * 401, "18446744073709551615", "-9223372036854775809",
    '"a":1,', '"a":', "[[[[[[[[[[[[", "]]]]]]]]]]]]",
])
# fmt: on


@given(st.lists(words, max_size=30).map("".join))
@example('{"a":1,"\\u0061":2}')
@example('{"a":{"a":1},"b":{"a":1}}')
@example('["\\\\u0000", {"\\\\u0000": 1}]')
@example("[" * 32 + "]" * 32)
@example("[" * 33 + "]" * 33)
@example('{"a":' * 40 + "1" + "}" * 40)
@example('["' + '\\"[' * 100 + '"]')
@example(f"[{'9' * 5_000}]")
def test_of_anything_like_json_the_same_is_taken_as_by_the_standard_library(text: str) -> None:
    agree(text.encode())


@pytest.mark.threat("S11")
@given(st.binary(max_size=60))
def test_of_any_bytes_the_same_is_taken_as_by_the_standard_library(raw: bytes) -> None:
    try:
        raw.decode()
    except UnicodeDecodeError:
        with pytest.raises(BadRequest):
            parse(raw)
    else:
        if not raw.startswith(b"\xef\xbb\xbf"):
            agree(raw)


@pytest.mark.parametrize(
    ("text", "pointer", "code"),
    [
        ('{"a":[{"b":1},{"b":2,"c":18446744073709551616}]}', "/a/1/c", "integer_too_large"),
        ('{"a":{"x":1},"b":{"x":1,"y":2,"x":3}}', "/b/x", "duplicate_key"),
        ('{"":{"":{"":1,"":2}}}', "///", "duplicate_key"),
        ('[1,[2,{"a~/b":NaN}]]', "/1/1/a~0~1b", "not_a_number"),
        ('{"a":"\\u0000","b\\u0000":1}', "/b\0", "nul_in_name"),
    ],
)
def test_a_fault_is_named_by_the_pointer_to_its_place(text: str, pointer: str, code: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(text.encode())

    assert [(fault["pointer"], fault["code"]) for fault in refused.value.faults] == [(pointer, code)]


@pytest.mark.threat("S11")
@pytest.mark.parametrize(
    "unit", [b"[],", b'{"a":[]},', b'"\\"",', b'"\\\\",', b"9999999999999999999,", b'"[[{{",', b"-"]
)
def test_a_megabyte_of_anything_is_judged_without_a_search_that_explodes(unit: bytes) -> None:
    raw = b"[" + unit * (1_048_576 // len(unit)) + b"0]"

    for text in (raw[: len(raw) // 2], raw + b"]", b'"' + raw.replace(b'"', b"")):
        with pytest.raises(BadRequest) as refused:
            parse(text)
        assert refused.value.faults
