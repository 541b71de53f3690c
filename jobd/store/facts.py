"""What an attempt leaves in the history of its job: JSON that no words of an error can break."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

LARGEST_FACTS = 16 * 1024
"""bytes that one attempt may leave; longer texts in it lose their middle"""


def members(value: Mapping[str, Any]) -> bytes:
    """The members of a JSON object without its braces: what the scripts put into a line they make."""
    return orjson.dumps(value)[1:-1]


def pack_facts(facts: Mapping[str, Any]) -> bytes:
    """`members` of what an attempt leaves in the history. No settlement fails by the words of an error: what is no JSON
    becomes text, what is too long loses its middle."""
    try:
        packed = members(facts)
    except TypeError:
        packed = b""
    if packed and len(packed) <= LARGEST_FACTS:
        return packed
    for longest in (LARGEST_FACTS, 2_000, 100):
        packed = members(_shortened(facts, longest))
        if len(packed) <= LARGEST_FACTS:
            return packed
    return b""


def _shortened(value: Any, longest: int) -> Any:
    if isinstance(value, Mapping):
        return {_shortened(str(key), longest): _shortened(member, longest) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(member, longest) for member in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value).encode(errors="replace").decode()
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]} … {text[-half:]}"
