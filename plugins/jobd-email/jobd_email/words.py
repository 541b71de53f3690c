"""What a mail says, whether the caller wrote it or a template."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a mail says."""

    subject: str
    text: str | None
    html: str | None
