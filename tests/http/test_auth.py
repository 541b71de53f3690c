"""Who may ask."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from jobd.app import check_door
from jobd.client import Client
from jobd.errors import SettingsError
from jobd.http.aliases import ALIASES
from jobd.http.auth import Guard, is_loopback
from jobd.http.routes import ROUTES
from jobd.http.server import HttpServer
from jobd.settings import HttpSettings, Settings
from tests.http.api import JSON, Api

TOKEN = "a-long-random-token-0123456789"
JOB = b'{"type":"anything"}'


@pytest.fixture
async def closed(client: Client) -> AsyncIterator[Api]:
    """An API that wants a token."""
    server = HttpServer(client, Settings(port=0, http=HttpSettings(token=SecretStr(TOKEN))))
    await server.start()
    async with Api(f"http://127.0.0.1:{server.port}") as api:
        yield api
    await server.stop()


@pytest.mark.threat("S1", "S46")
@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "", "128.0.0.1", "localhost.example.com"]
)
def test_no_address_but_loopback_is_served_without_a_token(host: str) -> None:
    with pytest.raises(SettingsError, match="JOBD_HTTP__TOKEN"):
        Guard(host, None)

    Guard(host, TOKEN)


async def test_a_server_that_would_be_open_to_all_is_not_made(client: Client) -> None:
    with pytest.raises(SettingsError, match="needs a token"):
        HttpServer(client, Settings(host="0.0.0.0"))


@pytest.mark.threat("S46")
@pytest.mark.parametrize("token", ["", "  ", "ä", "a\nb"])
def test_a_token_that_no_header_can_carry_is_refused_at_the_start(token: str) -> None:
    with pytest.raises(SettingsError, match="token"):
        Guard("127.0.0.1", token)


@pytest.mark.threat("S5")
@pytest.mark.parametrize(
    ("host", "token", "said"),
    [("0.0.0.0", "a" * 15, True), ("0.0.0.0", "a" * 16, False), ("127.0.0.1", "a", False), ("127.0.0.1", None, False)],
)
def test_a_token_that_strangers_may_find_by_trying_is_complained_of(host: str, token: str | None, said: bool) -> None:
    settings = Settings(host=host, http=HttpSettings(token=None if token is None else SecretStr(token)))
    with capture_logs() as lines:
        check_door(settings)
    assert ["openssl rand -hex 32" in line["event"] for line in lines] == [True] * said
    assert token is None or len(token) < 9 or all(token not in str(line) for line in lines)


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost.", "jobs.localhost", "127.0.0.1", "127.8.9.1", "[::1]", "::1"]
)
def test_these_names_mean_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.threat("S1", "S2")
@pytest.mark.requirement("4.8")
@pytest.mark.parametrize(
    "credentials",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN.upper()}",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        "Bearer ä",
    ],
)
async def test_every_route_but_health_wants_the_right_token(closed: Api, credentials: str) -> None:
    for route in ROUTES + ALIASES:
        reply = await closed.ask(route.method, route.path, headers={"Authorization": credentials})
        if route.path in ("/livez", "/readyz"):
            assert reply.status in (200, 503)
        else:
            assert (reply.status, reply.body["code"]) == (401, "unauthenticated")
            assert reply.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.threat("S2")
async def test_what_is_not_there_is_not_told_without_a_token(closed: Api) -> None:
    assert (await closed.get("/nix")).status == 401
    assert (await closed.ask("DELETE", "/jobs")).status == 401


@pytest.mark.requirement("4.8")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_the_right_token_opens(closed: Api, scheme: str) -> None:
    told = {"Authorization": f"{scheme} {TOKEN}"}

    assert (await closed.ask("GET", "/jobs", headers=told)).status == 200
    assert (await closed.ask("POST", "/jobs", JOB, {**JSON, **told, "Host": "jobs.example.com"})).status == 201


@pytest.mark.threat("S6")
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:8420", "localhost.evil.example:80"]
)
async def test_without_a_token_a_foreign_name_is_refused(api: Api, host: str) -> None:
    for method in ("GET", "POST"):
        reply = await api.ask(method, "/jobs", headers={"Host": host})
        assert (reply.status, reply.body["code"]) == (403, "forbidden")
    assert (await api.ask("GET", "/livez", headers={"Host": host})).status == 200


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:8420", "[::1]:8420", "jobd.localhost:8420"])
async def test_without_a_token_a_name_of_this_machine_is_served(api: Api, host: str) -> None:
    assert (await api.ask("GET", "/jobs", headers={"Host": host})).status == 200


@pytest.mark.threat("S6", "S8")
@pytest.mark.parametrize(
    "said",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:8420", "Host": "localhost:8420"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[", "Host": "localhost"},
        {"Origin": "http://localhost:3000", "Host": "localhost:8420"},
    ],
)
async def test_the_page_of_another_site_may_look_at_nothing_and_change_nothing(api: Api, said: dict[str, str]) -> None:
    reply = await api.ask("POST", "/jobs", JOB, {**JSON, **said})

    assert (reply.status, reply.body["code"]) == (403, "forbidden")
    assert (await api.get("/api/v1/queues")).body["data"] == []
    assert "Access-Control-Allow-Origin" not in (await api.ask("GET", "/jobs", headers=said)).headers


@pytest.mark.parametrize(
    "said",
    [
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:8420"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost:8420", "Host": "localhost:8420"},
    ],
)
async def test_a_page_of_this_server_may_change_things(api: Api, said: dict[str, str]) -> None:
    assert (await api.ask("POST", "/jobs", JOB, {**JSON, **said})).status == 201
