"""Fingerprints: errors that are the same but for their ids, numbers and times have the same one."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2s

from jobd.domain.outcome import ErrorRecord

_BYTES = 6
_LONGEST = 1_000
_VARIES = re.compile(
    r"""
    [^\s<>'"@]+@[^\s<>'"@]+                                        # addresses of mail
    | \b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b  # UUIDs
    | \b0x[0-9a-f]+\b                                              # addresses of memory
    | \b(?=[a-z]*\d)[0-9a-z]{20,}\b                                # ids, hashes
    | \b(?=[a-f]*\d)[0-9a-f]{8,}\b
    | \d+(?:[.,:]\d+)*                                             # numbers, times
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


def fingerprinted(error: ErrorRecord) -> ErrorRecord:
    """The same error with its fingerprint: of its type, of the function of its author's that it passed last, and of its
    message without what differs from one time to the next."""
    told = _fingerprint(error.get("type", ""), error.get("at", ""), error.get("message", "")[:_LONGEST])
    return {**error, "fingerprint": told}


@lru_cache(maxsize=256)  # the same error comes again and again
def _fingerprint(kind: str, at: str, message: str) -> str:
    parts = (kind, at, alike(message))
    return blake2s("\0".join(parts).encode(errors="surrogatepass"), digest_size=_BYTES).hexdigest()


def alike(message: str) -> str:
    """A message without what differs from one time to the next: numbers, ids, addresses."""
    return " ".join(_VARIES.sub("#", message[:_LONGEST]).split())
