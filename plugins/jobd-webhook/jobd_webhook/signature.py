"""Signatures as Standard Webhooks (standardwebhooks.com) defines them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

PREFIX = "whsec_"
SHORTEST_KEY, LONGEST_KEY = 24, 64
"""bytes"""


def signed_headers(keys: Iterable[bytes], *, webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers by which a receiver knows who sent the body, and when (`timestamp`, seconds since 1970).

    There is one signature for each key, so that a receiver may already have the new one or still have the old.
    """
    content = f"{webhook_id}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode("ascii") for key in keys]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def key_of(secret: str) -> bytes:
    """The key in a `whsec_…`. Raises ValueError, without the secret in its words, if there is none."""
    if not secret.startswith(PREFIX):
        raise ValueError(f"a secret starts with {PREFIX}")
    text = secret.removeprefix(PREFIX).rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"what follows {PREFIX} is not base64") from None
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        raise ValueError(f"a secret holds {SHORTEST_KEY} to {LONGEST_KEY} bytes, not {len(key)}")
    return key
