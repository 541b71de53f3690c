"""Mail for jobd: the job type `send-email`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

import jobd
from jobd_email.message import Attachment, EmailMessage
from jobd_email.receipt import Receipt, Refusal
from jobd_email.settings import EmailSettings
from jobd_email.templates import Templates, templates
from jobd_email.words import Words

__all__ = ["Attachment", "EmailMessage", "EmailSettings", "Receipt", "Refusal", "send_email"]


@jobd.job(
    "send-email",
    queue="email-notifications",
    max_attempts=5,
    backoff=jobd.Backoff.exponential("2s"),
    timeout="60s",
)
async def send_email(ctx: jobd.Context, message: EmailMessage) -> Receipt:
    """Sends one mail through the SMTP server of `[plugins.email]`."""
    # Only who sends mail needs these and the libraries behind them; who enqueues it does not wait for them.
    from jobd_email.delivery import deliver
    from jobd_email.letter import Letter

    settings = ctx.service(EmailSettings)
    settings.server  # noqa: B018  raises if there is none, before any work is done
    sender = settings.mail_from
    words = await _words(ctx, message)
    try:
        letter = Letter.compose(message, words, sender=sender, job_id=ctx.job.id, now=datetime.now(UTC))
    except ValueError as error:
        raise jobd.Fail(f"the mail cannot be written: {error}") from error
    return await deliver(letter, settings, last_attempt=ctx.last_attempt)


async def _words(ctx: jobd.Context, message: EmailMessage) -> Words:
    if message.template is None:
        return Words(subject=message.subject or "", text=message.body, html=message.html)
    return await ctx.service(Templates).render(message.template, message.template_data, subject=message.subject)


@jobd.hookimpl
def jobd_job_types() -> list[jobd.JobType[Any, Any]]:
    return [send_email]


@jobd.hookimpl
def jobd_settings() -> tuple[str, type[BaseModel]]:
    return "email", EmailSettings


@jobd.hookimpl
def jobd_services() -> Mapping[type | str, Callable[..., Any]]:
    return {Templates: templates}
