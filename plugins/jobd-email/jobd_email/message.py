"""What a send-email job is given: its payload."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from jobd_email.address import Address, Line, Mailbox

MOST_RECIPIENTS = 100
MOST_ATTACHMENTS = 50
LARGEST_ATTACHMENTS = 10 * 1024 * 1024
"""bytes of all attachments of one mail together, decoded"""
_TOKEN = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"  # noqa: S105 - a token of RFC 6838, not a secret

_NAME = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*"


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _from_base64(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("this is not base64") from None


def _to_base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _file_name(name: str) -> str:
    if "/" in name or "\\" in name:
        raise ValueError("a name of a file has no / and no \\")
    if not name.isprintable() or name != name.strip():
        raise ValueError("a name of a file has printable characters only, and no space before or behind")
    if "=?" in name:
        raise ValueError("a name of a file with =? would be taken for an encoded word by some readers")
    return name


def _leaf_type(media_type: str) -> str:
    if media_type.lower().startswith(("multipart/", "message/")):
        raise ValueError("multipart and message types cannot be attached; use application/octet-stream")
    return media_type.lower()


Addresses = Annotated[list[Address], BeforeValidator(_as_list, json_schema_input_type=str | list[str])]
Base64 = Annotated[
    bytes,
    BeforeValidator(_from_base64),
    PlainSerializer(_to_base64, when_used="json"),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]

_BOTH_SPELLINGS = AliasGenerator(validation_alias=lambda name: AliasChoices(name, to_camel(name)))


class _Payload(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=_BOTH_SPELLINGS)

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for name in cls.model_fields:
                if name != to_camel(name) and name in value and to_camel(name) in value:
                    raise ValueError(f"{name} and {to_camel(name)} are the same field; give one")
        return value


class Attachment(_Payload):
    """A file that goes with the mail."""

    name: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_file_name)]
    content: Base64
    """bytes; in JSON as base64 text"""
    media_type: Annotated[str, Field(pattern=rf"^{_TOKEN}/{_TOKEN}$"), AfterValidator(_leaf_type)] | None = None
    """such as application/pdf; None: what the name suggests"""

    @property
    def kind(self) -> tuple[str, str]:
        """The two parts of its media type."""
        media_type = self.media_type or mimetypes.guess_type(self.name)[0] or ""
        if not media_type or media_type.startswith(("multipart/", "message/")):
            media_type = "application/octet-stream"
        major, _, minor = media_type.partition("/")
        return major, minor


class EmailMessage(_Payload):
    """A mail: to whom, about what, and either its words (`body`, `html` or both) or a `template` and its data.

    Field names may be written in camelCase too.
    """

    to: Annotated[Addresses, Field(min_length=1)]
    """one address or a list"""
    cc: Addresses = []
    bcc: Addresses = []
    """they get the mail, and its headers do not name them"""
    reply_to: Addresses = []
    subject: Annotated[Line, Field(max_length=998)] | None = None
    """may be left out if the template has one"""
    body: str | None = None
    """the text"""
    html: str | None = None
    template: Annotated[str, Field(pattern=rf"^{_NAME}(?:/{_NAME})*$", max_length=200)] | None = None
    """a name: `welcome` stands for welcome.txt, welcome.html and welcome.subject in the directory of templates"""
    template_data: dict[str, JsonValue] = {}
    """the variables of the template"""
    attachments: Annotated[list[Attachment], Field(max_length=MOST_ATTACHMENTS)] = []
    sub_account_id: str | None = None
    """yours; kept with the job and not sent, as the two below"""
    user_id: str | None = None
    metadata: dict[str, JsonValue] = {}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.template is None:
            if self.body is None and self.html is None:
                raise ValueError("the mail has no words: give body, html or both, or a template")
            if self.subject is None:
                raise ValueError("the mail has no subject")
            if self.template_data:
                raise ValueError("template_data has no use without a template")
        elif self.body is not None or self.html is not None:
            raise ValueError("the words come from the template or from body and html; give one of them")
        if len(self.recipients) > MOST_RECIPIENTS:
            raise ValueError(f"a mail has up to {MOST_RECIPIENTS} recipients; use a job for each, or a list address")
        if sum(len(attachment.content) for attachment in self.attachments) > LARGEST_ATTACHMENTS:
            raise ValueError(
                f"the attachments are larger than {LARGEST_ATTACHMENTS // 1024**2} MiB together; send links"
            )
        return self

    @property
    def recipients(self) -> list[str]:
        """The addresses of all who get the mail, each once."""
        everybody = [*self.to, *self.cc, *self.bcc]
        return list(dict.fromkeys(Mailbox.parse(address).address for address in everybody))
