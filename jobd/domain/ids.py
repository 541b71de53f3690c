"""Ids of jobs: ULIDs (a time and randomness in 26 letters) whose first random bits name the shard.

Layout after the public ULID text: 48 bits of milliseconds since 1970, then 80 random bits, in Crockford's base 32.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = [a + b for a in _ALPHABET for b in _ALPHABET]
_LETTER_OF_BYTE: Final = (_ALPHABET * 8).encode()
_VALUE: Final = {letter: value for value, letter in enumerate(_ALPHABET)}
_ULID = re.compile(rf"[0-7][{_ALPHABET}]{{25}}", re.ASCII)
_CHOSEN_LOOKALIKE = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII | re.IGNORECASE)

SHARD_BITS: Final = 10
MOST_SHARDS: Final = 1 << SHARD_BITS


def new_id(now_ms: int, random_bits: Callable[[int], int], shard: int = 0) -> str:
    """A new id: `now_ms` milliseconds since 1970, `shard` in the first ten random bits, and 70 more: the low five of
    each byte that `random_bits` gives, as bytes become letters in a third of the time that bits take."""
    return _beginning(now_ms, shard) + random_bits(112).to_bytes(14).translate(_LETTER_OF_BYTE).decode()


@lru_cache(maxsize=16)
def _beginning(now_ms: int, shard: int) -> str:
    """The first twelve letters, which all ids of a millisecond share in a shard."""
    number, pairs = now_ms << SHARD_BITS | shard, _PAIRS
    return (
        f"{pairs[number >> 50]}{pairs[number >> 40 & 1023]}{pairs[number >> 30 & 1023]}"
        f"{pairs[number >> 20 & 1023]}{pairs[number >> 10 & 1023]}{pairs[number & 1023]}"
    )


def is_made_id(job_id: str) -> bool:
    """Was this id made by jobd (and so names its shard), rather than chosen by a caller?"""
    return _ULID.fullmatch(job_id) is not None


def looks_made(job_id: str) -> bool:
    """Is it shaped like a made id, in any case of letters? Such ids are not free for callers to choose."""
    return _CHOSEN_LOOKALIKE.fullmatch(job_id) is not None


def shard_of_id(job_id: str) -> int:
    """The shard that a made id names."""
    return (_VALUE[job_id[10]] << 5) | _VALUE[job_id[11]]


def made_at_ms(job_id: str) -> int:
    """When a made id was minted, by its producer's clock, in milliseconds since 1970."""
    number = 0
    for letter in job_id[:10]:
        number = number << 5 | _VALUE[letter]
    return number
