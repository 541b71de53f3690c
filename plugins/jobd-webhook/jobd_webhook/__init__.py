"""Webhooks for jobd: the job type `deliver-webhook`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

import jobd
from jobd_webhook.receipt import Receipt
from jobd_webhook.settings import WebhookSettings
from jobd_webhook.webhook import Webhook

if TYPE_CHECKING:
    from jobd_webhook.client import WebhookClient

__all__ = ["Receipt", "Webhook", "WebhookSettings", "deliver_webhook"]


CLIENT = "jobd_webhook.client"
"""the name of the service: one HTTP session for all jobs of a worker"""


@asynccontextmanager
async def webhook_client(settings: WebhookSettings) -> AsyncIterator[Callable[[], Any]]:
    """What gives the WebhookClient, which is opened for the first webhook and closed in the end."""
    clients: list[WebhookClient] = []

    def client() -> WebhookClient:
        if not clients:
            # Only who sends webhooks needs aiohttp; neither who enqueues them nor a worker that has other jobs does.
            from jobd_webhook.client import WebhookClient

            clients.append(WebhookClient(settings))
        return clients[0]

    yield client
    for opened in clients:
        await opened.close()


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
    client: Callable[[], WebhookClient] = ctx.service(CLIENT)
    return await client().deliver(webhook, job_id=ctx.job.id, created_at=created_at)


@jobd.hookimpl
def jobd_job_types() -> list[jobd.JobType[Any, Any]]:
    return [deliver_webhook]


@jobd.hookimpl
def jobd_settings() -> tuple[str, type[BaseModel]]:
    return "webhook", WebhookSettings


@jobd.hookimpl
def jobd_services() -> Mapping[type | str, Callable[..., Any]]:
    return {CLIENT: webhook_client}
