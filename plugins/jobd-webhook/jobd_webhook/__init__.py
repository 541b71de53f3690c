"""Webhooks for jobd: the job type `deliver-webhook`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

import jobd
from jobd_webhook.client import WebhookClient, webhook_client
from jobd_webhook.settings import WebhookSettings
from jobd_webhook.webhook import Delivery, Webhook

__all__ = ["Delivery", "Webhook", "WebhookSettings", "deliver_webhook"]


@jobd.job(
    "deliver-webhook",
    queue="webhook-delivery",
    max_attempts=10,
    backoff=jobd.Backoff.exponential("1s"),
    timeout="60s",
)
async def deliver_webhook(ctx: jobd.Context, webhook: Webhook) -> Delivery:
    """Sends one event to a URL, signed by Standard Webhooks."""
    return await ctx.service(WebhookClient).deliver(webhook, job_id=ctx.job.id, created_at=ctx.job.created_at)


@jobd.hookimpl
def jobd_job_types() -> list[jobd.JobType[Any, Any]]:
    return [deliver_webhook]


@jobd.hookimpl
def jobd_settings() -> tuple[str, type[BaseModel]]:
    return "webhook", WebhookSettings


@jobd.hookimpl
def jobd_services() -> Mapping[type | str, Callable[..., Any]]:
    return {WebhookClient: webhook_client}
