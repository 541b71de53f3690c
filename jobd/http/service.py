"""What every handler works with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from jobd.client import Client


@dataclass(frozen=True, slots=True)
class Service:
    """What stands behind the routes."""

    client: Client
    most_bytes: int
    """of a request's body"""
    leaving: asyncio.Event
    """set: it goes down soon; it is not ready, and each connection ends with its next answer"""
    closing: asyncio.Event
    """set: it takes no new connections, and whoever waits for a job is answered now"""
    description: bytes
    """of the API, as JSON"""


SERVICE: Final = web.RequestKey("SERVICE", Service)
"""where each request has it"""


def client_of(request: web.Request) -> Client:
    """The way in for this request."""
    return request[SERVICE].client
