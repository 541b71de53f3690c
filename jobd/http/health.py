"""Health, for orchestrators and load balancers: no token needed, and nothing told that would need one."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from jobd.errors import StoreError
from jobd.http.answer import answer
from jobd.http.service import SERVICE, Service

PATIENCE_S: Final = 2.0


async def livez(_: web.Request) -> web.Response:
    """200 as long as this process answers at all."""
    return answer({"status": "pass"})


async def readyz(request: web.Request) -> web.Response:
    """200 once jobs can be taken and run: the store answers, a worker is alive, nothing is shutting down."""
    service = request[SERVICE]
    store, workers = await _store_and_workers(service)
    checks = {"server": not service.leaving.is_set(), "store": store, "workers": workers}
    ready = all(checks.values())
    body = {
        "status": "pass" if ready else "fail",
        "checks": {name: {"status": "pass" if passed else "fail"} for name, passed in checks.items()},
    }
    return answer(body, 200 if ready else 503)


async def _store_and_workers(service: Service) -> tuple[bool, bool]:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await service.client.store.check(patience_s=PATIENCE_S)
            workers = await service.client.workers()
    except (StoreError, TimeoutError):
        return False, False
    return True, any(worker.alive and worker.kind == "worker" for worker in workers)
