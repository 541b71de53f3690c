"""A letter: a mail as it goes to the server."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage as Mime
from email.policy import SMTP
from email.utils import format_datetime
from typing import Self

from jobd_email.address import Mailbox
from jobd_email.headers import mailbox_header, text_header
from jobd_email.message import Attachment, EmailMessage
from jobd_email.words import Words

# 7 bits only: no server on the way has to understand 8BITMIME.
_POLICY = SMTP.clone(cte_type="7bit", raise_on_defect=True)
_UNSAFE_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """Content and envelope."""

    sender: str
    recipients: Sequence[str]
    message_id: str
    content: bytes

    @classmethod
    def compose(cls, message: EmailMessage, words: Words, *, sender: Mailbox, job_id: str, now: datetime) -> Self:
        """The letter of one job. Raises ValueError if a header would hold a control character.

        Message-ID and X-Jobd-Id follow from the job's id, so that a receiver can tell a repeat of another attempt.
        """
        message_id = f"<{_dot_atom(job_id)}@{sender.domain}>"
        headers = [
            mailbox_header("From", [sender]),
            *(
                mailbox_header(name, [Mailbox.parse(address) for address in addresses])
                for name, addresses in (("To", message.to), ("Cc", message.cc), ("Reply-To", message.reply_to))
                if addresses
            ),
            text_header("Subject", words.subject),
            text_header("Date", format_datetime(now)),
            text_header("Message-ID", message_id),
            text_header("X-Jobd-Id", job_id),
        ]
        content = "".join(headers).encode("ascii") + _mime(words, message.attachments)
        return cls(sender=sender.address, recipients=message.recipients, message_id=message_id, content=content)


def _mime(words: Words, attachments: Sequence[Attachment]) -> bytes:
    """The rest of the letter: the headers that tell its form, an empty line, the body."""
    mime = Mime(policy=_POLICY)
    if words.text is not None:
        mime.set_content(words.text, cte=_transfer(words.text))
    if words.html is not None:
        add = mime.set_content if words.text is None else mime.add_alternative
        add(words.html, subtype="html", cte=_transfer(words.html))
    for attachment in attachments:
        major, minor = attachment.kind
        mime.add_attachment(attachment.content, maintype=major, subtype=minor, filename=attachment.name)
    return mime.as_bytes(policy=_POLICY)


def _transfer(text: str) -> str | None:
    # None: the standard library picks the shortest. It would send control characters as they are, so not for those.
    return "base64" if _UNSAFE_TEXT.search(text) else None


def _dot_atom(job_id: str) -> str:
    """The id itself, or a hash of an id that a caller chose with characters that a Message-ID may not have."""
    if re.fullmatch(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", job_id):
        return job_id
    return hashlib.sha256(job_id.encode()).hexdigest()[:32]
