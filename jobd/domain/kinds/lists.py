"""Several values for one option."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobd.domain.kinds.kind import OBJECT, Kind
from jobd.domain.plain_json import from_json
from jobd.errors import OptionError

MOST_TAGS = 32
LONGEST_TAG = 255


def _tags(values: Any, name: str) -> tuple[str, ...]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise OptionError(f"{name}: give a list of words, not {values!r}")
    tags: list[str] = []
    for tag in values:
        if not isinstance(tag, str) or not 0 < len(tag) <= LONGEST_TAG or not tag.isprintable():
            raise OptionError(f"{name}: {tag!r} is not a word of 1 to {LONGEST_TAG} printable characters")
        if tag not in tags:
            tags.append(tag)
        if len(tags) > MOST_TAGS:
            raise OptionError(f"{name}: these are too many; a job has up to {MOST_TAGS}")
    return tuple(tags)


def _tags_in_json(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise OptionError("this is not a list of texts")
    return _tags(value, name)


def _tags_in_text(text: Any, name: str) -> tuple[str, ...]:
    return _tags([word.strip() for word in text.split(",") if word.strip()], name)


TAGS = Kind(
    metavar="WORD",
    parse=_tags,
    from_json=_tags_in_json,
    from_text=_tags_in_text,
    to_json=list,
    from_record=tuple,
    many="words",
    schema={"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": LONGEST_TAG}},
)


def _facts(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise OptionError(f"{name}: give an object whose keys are texts")
    return dict(value)


def _facts_in_text(text: Any, name: str) -> Mapping[str, Any]:
    return _facts(from_json(text.encode()), name)


FACTS = Kind(
    metavar="KEY=TEXT",
    parse=_facts,
    from_json=_facts,
    from_text=_facts_in_text,
    to_json=dict,
    many="fields",
    schema=OBJECT,
)
