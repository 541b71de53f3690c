"""Webhooks for jobd: the job type `deliver-webhook`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

import jobd
from jobd_webhook.client import WebhookClient, webhook_client
from jobd_webhook.receipt import Receipt
from jobd_webhook.settings import WebhookSettings
from jobd_webhook.webhook import Webhook

__all__ = ["Receipt", "Webhook", "WebhookSettings", "deliver_webhook"]


@jobd.job(
    "deliver-webhook",
    queue="webhook-delivery",
    max_attempts=10,
    backoff=jobd.Backoff.exponential("1s"),
    timeout="60s",
)
async def deliver_webhook(ctx: jobd.Context, webhook: Webhook) -> Receipt:
    """Sends one event to a URL, signed by Standard Webhooks."""
    created_at = datetime.fromtimestamp(ctx.job.created_ms / 1_000, UTC)
    return await ctx.service(WebhookClient).deliver(webhook, job_id=ctx.job.id, created_at=created_at)


@jobd.hookimpl
def jobd_job_types() -> list[jobd.JobType[Any, Any]]:
    return [deliver_webhook]


@jobd.hookimpl
def jobd_settings() -> tuple[str, type[BaseModel]]:
    return "webhook", WebhookSettings


@jobd.hookimpl
def jobd_services() -> Mapping[type | str, Callable[..., Any]]:
    return {WebhookClient: webhook_client}
