"""What a deliver-webhook job is given: its payload."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, JsonValue, model_validator

from jobd_webhook.url import parse_url

MOST_HEADERS = 32
LONGEST_HEADER = 4_096
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")
_OURS = {
    *("host", "content-length", "content-type", "transfer-encoding", "content-encoding", "accept-encoding", "expect"),
    *("connection", "keep-alive", "upgrade", "te", "trailer", "user-agent"),
}


def _url(text: str) -> str:
    parse_url(text)
    return text


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!a} is not a name of a header")
        if name.lower() in _OURS or name.lower().startswith(("webhook-", "proxy-")):
            raise ValueError(f"the header {name} is jobd's own")
        if len(value) > LONGEST_HEADER or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(
                f"the value of {name} is not one line of printable ASCII of up to {LONGEST_HEADER} characters"
            )
    if len({name.lower() for name in headers}) != len(headers):
        raise ValueError("a header is given twice")
    return headers


class Webhook(BaseModel):
    """An event, and where to tell of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, AfterValidator(_url)]
    """http or https"""
    event: Annotated[str, Field(min_length=1, max_length=255)]
    """what has happened, such as `invoice.paid`"""
    data: Annotated[JsonValue, Field(validation_alias=AliasChoices("data", "payload"))]
    """what there is to know about it; may be written `payload`"""
    headers: Annotated[dict[str, str], Field(max_length=MOST_HEADERS), AfterValidator(_headers)] = {}
    """further headers; they are kept with the job, so secrets in them are too"""
    secret: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = "default"  # noqa: S105 - a name
    """the name of the secret in [plugins.webhook.secrets] that signs it"""

    @model_validator(mode="before")
    @classmethod
    def _one_name(cls, value: Any) -> Any:
        if isinstance(value, dict) and "data" in value and "payload" in value:
            raise ValueError("data and payload are the same field; give one")
        return value

    def body(self, created_at: datetime) -> bytes:
        """The bytes to send: the same at each attempt, so the time in them is that of the job's birth."""
        moment = created_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        content = {"type": self.event, "timestamp": moment, "data": self.data}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
