"""The options that a job brought along: in its spec they are JSON, behind the head."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from jobd.domain.options import MAY_BE_UNREADABLE, NONE, Options, from_record, readable
from jobd.domain.queue_options import BACKOFF, backoff_beside

_LARGEST_REMEMBERED = 512
_IN_DOUBT = MAY_BE_UNREADABLE | {BACKOFF}


def own_options(packed: bytes) -> Options:
    """The options that a job brought along, but for those in the head of its spec. Raises OptionError naming one that
    is in a form that is none here, ValueError or TypeError if these are no options at all."""
    return from_record(_members(packed)) if packed else NONE


def checked_options(packed: bytes) -> Options:
    """The same; also what is beside them, and read when an attempt has ended, is in a form that is known here."""
    # most jobs have the same options as others, which are read once
    return _met_before(packed) if len(packed) <= _LARGEST_REMEMBERED else _checked(packed)


def check_options(packed: bytes) -> None:
    """Raises what `checked_options` would."""
    if not _IN_DOUBT.isdisjoint(_members(packed)):
        checked_options(packed)


def shown_options(packed: bytes) -> Options:
    """Those of them that can be read. Raises ValueError or TypeError if these are no options at all."""
    return readable(_members(packed)) if packed else NONE


def _checked(packed: bytes) -> Options:
    own = own_options(packed)
    backoff_beside(packed)
    return own


_met_before = lru_cache(maxsize=256)(_checked)


def _members(packed: bytes) -> dict[str, Any]:
    record = orjson.loads(packed)
    if not isinstance(record, dict):
        raise TypeError("the options of a job are an object")
    return record
