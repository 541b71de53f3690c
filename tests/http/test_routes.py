"""The table of routes: what it says is what a server does."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from jobd.domain.names import RESERVED_IDS
from jobd.http.aliases import ALIASES, CANONICAL
from jobd.http.routes import ROUTES, Body, Permission, Route, add_routes
from tests.http.api import Api
from tests.http.hand import Hand

ALL = ROUTES + ALIASES
RARE = [
    (("POST", "/api/queues/{queue}/clean"), 202),
    (("POST", "/api/queues/{queue}/drain"), 202),
    (("GET", "/api/queues/health"), 503),
    (("GET", "/api/queues/{queue}/health"), 503),
]
"""what other tests show"""


def told(route: Route) -> Route:
    """The route, with a handler that tells which one it is."""

    async def handler(_: web.Request) -> web.Response:
        return web.Response(text=f"{route.method} {route.path}")

    return replace(route, handler=handler)


@asynccontextmanager
async def telling(routes: Iterable[Route]) -> AsyncIterator[Api]:
    """A server whose routes tell which one they are."""

    app = web.Application()
    add_routes(app, [told(route) for route in routes])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with Api(f"http://127.0.0.1:{runner.addresses[0][1]}") as api:
            yield api
    finally:
        await runner.cleanup()


def filled(path: str, word: str) -> str:
    names = ("id", "queue", "type", "operation", "key", "worker")
    for name in names:
        path = path.replace(f"{{{name}}}", word)
    return path


def shuffled(seed: int) -> Sequence[Route]:
    routes = list(ALL)
    random.Random(seed).shuffle(routes)
    return routes


@pytest.mark.requirement("4.1")
@pytest.mark.parametrize("seed", range(3))
async def test_every_path_leads_to_its_own_route_in_whatever_order_they_are_registered(seed: int) -> None:
    async with telling(shuffled(seed)) as api:
        for route in ALL:
            reply = await api.ask(route.method, filled(route.path, "some-thing"))
            assert reply.text.decode() == f"{route.method} {route.path}"


@pytest.mark.parametrize("seed", range(3))
async def test_fixed_words_beat_parameters_in_whatever_order_they_are_registered(seed: int) -> None:
    fixed = [route for route in ALL if "{" not in route.path]
    later = [replace(told(ROUTES[0]), path=f"{base}/{word}") for word in RESERVED_IDS for base in ("/jobs",)]
    async with telling([*shuffled(seed), *later]) as api:
        for route in [*fixed, *later]:
            reply = await api.ask(route.method, route.path)
            assert reply.text.decode() == f"{route.method} {route.path}"


def test_no_two_routes_have_one_method_and_path() -> None:
    assert len({(route.method, route.path) for route in ALL}) == len(ALL)


@pytest.mark.threat("S2", "S6")
def test_only_health_is_open_to_everybody_and_only_changes_take_bodies() -> None:
    assert {route.path for route in ALL if route.needs is Permission.NONE} == {"/livez", "/readyz"}
    assert all((route.method in ("GET", "DELETE")) == (route.body is Body.NONE) for route in ALL)
    assert all(route.needs in (Permission.ENQUEUE, Permission.CONTROL) for route in ALL if route.method != "GET")


def test_every_alias_leads_to_a_canonical_route_that_asks_for_the_same() -> None:
    for alias in ALIASES:
        path = CANONICAL[alias.method, alias.path].partition("?")[0]
        routes = [route for route in ROUTES if route.path == path]
        assert any(route.needs == alias.needs for route in routes), alias.path


async def ask_for_many(ask: Callable[..., Awaitable[None]], api: Api, given: dict[tuple[str, str], set[int]]) -> None:
    for verb in ("drain", "clean", "retry-failed", "promote-delayed"):
        await ask("POST", f"/api/v1/queues/e/{verb}", None, f"/api/v1/queues/{{queue}}/{verb}")
        given["POST", f"/api/v1/queues/{{queue}}/{verb}"].add(202)  # when a monitor has to go on
    await ask("DELETE", "/api/v1/queues/e", None, "/api/v1/queues/{queue}")
    for dry_run in (True, False):
        await ask("POST", "/api/v1/operations", {"action": "retry", "all": True, "dry_run": dry_run})
    begun = (await api.get("/api/v1/operations")).body["data"][0]["id"]
    await ask("GET", f"/api/v1/operations/{begun}", None, "/api/v1/operations/{operation}")
    await ask("POST", f"/api/v1/operations/{begun}/cancel", None, "/api/v1/operations/{operation}/cancel")


async def ask_queue_options(ask: Callable[..., Awaitable[None]]) -> None:
    for method in ("PATCH", "DELETE"):
        await ask(method, "/api/v1/queues/anything/options", {"priority": 9}, "/api/v1/queues/{queue}/options")


async def ask_workers(ask: Callable[..., Awaitable[None]], worker: str) -> None:
    for verb in ("quiet", "stop", "restart"):
        await ask("POST", f"/api/v1/workers/{worker}/{verb}", None, f"/api/v1/workers/{{worker}}/{verb}")


async def ask_edits(ask: Callable[..., Awaitable[None]]) -> None:
    """What is done to one job."""
    await ask("POST", "/api/v1/jobs", {"type": "anything", "id": "edited", "queue": "e", "delay_ms": 60_000})
    await ask("PATCH", "/api/v1/jobs/edited", {"priority": 1}, "/api/v1/jobs/{id}")
    for verb, body in (("promote", None), ("duplicate", None), ("move", {"queue": "f"})):
        await ask("POST", f"/api/v1/jobs/edited/{verb}", body, f"/api/v1/jobs/{{id}}/{verb}")


async def ask_reports(ask: Callable[..., Awaitable[None]], running: str) -> None:
    """What is said of a job from outside."""
    for what, body in (("progress", {"done": 1}), ("logs", {"text": "x"})):
        await ask("POST", f"/api/v1/jobs/{running}/{what}", body, f"/api/v1/jobs/{{id}}/{what}")


async def ask_aliases(ask: Callable[..., Awaitable[None]], api: Api, hand: Hand) -> None:
    """Those of the admin API of queues."""
    base = "/api/queues/{queue}"
    for verb in ("pause", "resume", "clean", "drain"):
        await ask("POST", f"/api/queues/e/{verb}", None, f"{base}/{verb}")
    await api.enqueue(id="aliased", queue="e")
    await ask("DELETE", "/jobs/aliased", None, "/jobs/{id}")
    await ask("POST", "/api/queues/e/jobs/aliased/retry", None, f"{base}/jobs/{{id}}/retry")
    await hand.take_all()
    await ask("DELETE", "/jobs/aliased", None, "/jobs/{id}")
    await api.enqueue(id="gone", queue="e")
    await ask("DELETE", "/api/queues/e/jobs/gone", None, f"{base}/jobs/{{id}}")


async def test_every_route_gives_the_statuses_that_it_names(api: Api, hand: Hand) -> None:
    given: dict[tuple[str, str], set[int]] = {}

    async def ask(method: str, path: str, body: object = None, template: str | None = None) -> None:
        ways = {
            "GET": lambda: api.get(path),
            "PATCH": lambda: api.patch(path, body),
            "DELETE": lambda: api.delete(path),
        }
        reply = await ways.get(method, lambda: api.post(path, body))()
        given.setdefault((method, template or path), set()).add(reply.status)

    for base in ("/api/v1/jobs", "/jobs"):
        for _ in range(2):
            await ask("POST", base, {"type": "anything", "id": f"from{base.count('/')}"})
        for _ in range(2):
            ignoring = {"key": base, "on_conflict": "ignore"}
            await ask("POST", base, {"type": "anything", "queue": "u", "delay_ms": 60_000, "unique": ignoring})
    for _ in range(2):
        await ask("POST", "/api/v1/jobs/batch", {"jobs": [{"type": "anything", "id": "batched"}]})
    await hand.complete(await hand.take())
    await ask_reports(ask, (await hand.take()).id)
    for job_id in ("batched", "from1"):
        await ask("POST", f"/api/v1/jobs/{job_id}/cancel", None, "/api/v1/jobs/{id}/cancel")
    await ask("POST", "/api/v1/jobs/from3/retry", None, "/api/v1/jobs/{id}/retry")
    await ask("PATCH", "/api/v1/limits", {"queue": "anything", "concurrency": 1})
    for route in ALL:
        if route.path.endswith(("/pause", "/resume")):
            await ask("POST", filled(route.path, "anything"), None, route.path)
    (key,) = {row["key"] for row in (await api.get("/api/v1/unique-keys?limit=1")).body["data"][:1]}
    for route in [route for route in ALL if "{operation}" not in route.path]:
        if route.method == "GET":
            words = {"{queue}": "default", "{type}": "anything", "{key}": key, "{worker}": hand.name}
            word = words.get(route.path.rpartition("/")[2], "batched")
            await ask("GET", filled(route.path.replace("{queue}", "default"), word), None, route.path)

    await ask_queue_options(ask)
    await ask_workers(ask, hand.name)
    await ask("POST", "/api/v1/shards/grow", {"shards": 1})
    await ask_edits(ask)
    await ask_for_many(ask, api, given)
    await ask_aliases(ask, api, hand)
    for path, status in RARE:
        given[path].add(status)
    await ask("DELETE", "/api/v1/jobs/edited", None, "/api/v1/jobs/{id}")
    await ask("DELETE", f"/api/v1/unique-keys/{key}", None, "/api/v1/unique-keys/{key}")

    assert given == {(route.method, route.path): set(route.gives) for route in ALL}


async def test_what_can_be_looked_at_answers_head_without_a_body(api: Api) -> None:
    looked = await api.ask("HEAD", "/api/v1/jobs")

    assert (looked.status, looked.text) == (200, b"")
    assert int(looked.headers["Content-Length"]) == len((await api.get("/api/v1/jobs")).text)
