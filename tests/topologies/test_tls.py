"""TLS: verified unless the URL says otherwise, and said at once when it fails."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from jobd.errors import SettingsError, StoreDenied
from jobd.store.store import Store
from tests.servers.authority import Authority
from tests.servers.tcp_server import TcpServer, free_port
from tests.servers.wait import PATIENCE_S
from tests.topologies.household import household, program_on

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class TlsServer(TcpServer):
    """A server that speaks TLS on a second port, and wants a certificate of its clients or not."""

    def __init__(self, authority: Authority, *hosts: str, clients: str = "no") -> None:
        found = shutil.which("redis-server")
        assert found, "the servers of the wheels have no TLS: install Debian's redis-server"
        self.tls_port = free_port()
        certificate, key = authority.sign(f"server-{self.tls_port}", *hosts)
        super().__init__(
            Path(found),
            f"tls-port {self.tls_port}",
            f"tls-cert-file {certificate}",
            f"tls-key-file {key}",
            f"tls-ca-cert-file {authority.path}",
            f"tls-auth-clients {clients}",
        )
        self.tls_url = f"rediss://127.0.0.1:{self.tls_port}/0"


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[TlsServer]:
    with TlsServer(authority, "127.0.0.1") as server:
        yield server


async def check(url: str) -> None:
    store = Store.at(url)
    try:
        await store.check(patience_s=PATIENCE_S)
    finally:
        await store.close()


async def test_a_whole_jobd_over_tls_with_certificates_on_both_sides(authority: Authority, tmp_path: Path) -> None:
    with TlsServer(authority, "127.0.0.1", clients="yes") as server:
        certificate, key = authority.sign("me")
        url = f"{server.tls_url}?ca={authority.path}&cert={certificate}&key={key}"
        with program_on(url, tmp_path) as program:
            async with household(url, program) as home:
                async with home.busy() as accepted:
                    server.stop()
                    server.start()
                    await home.takes_jobs()
                assert len(accepted) > 10
        with pytest.raises(StoreDenied, match="no TLS connection comes about"):
            await check(f"{server.tls_url}?ca={authority.path}")


@pytest.mark.threat("S26")
async def test_a_certificate_of_an_authority_that_is_not_trusted_is_refused(server: TlsServer, tmp_path: Path) -> None:
    for ca in ("", f"?ca={Authority(tmp_path, 'another').path}"):
        with pytest.raises(StoreDenied, match="names the authority to trust as"):
            await check(server.tls_url + ca)


@pytest.mark.threat("S26")
async def test_a_certificate_for_another_host_is_refused_unless_the_url_allows_it(authority: Authority) -> None:
    with TlsServer(authority, "somewhere.else") as server:
        with pytest.raises(StoreDenied, match="IP address mismatch"):
            await check(f"{server.tls_url}?ca={authority.path}")
        await check(f"{server.tls_url}?ca={authority.path}&verify=ca")


async def test_nothing_is_verified_if_the_url_says_so(server: TlsServer) -> None:
    await check(f"{server.tls_url}?verify=none")


def test_a_loop_ends_right_after_its_store_was_closed_whatever_the_server_does(server: TlsServer) -> None:
    async def use() -> None:
        store = Store.at(f"{server.tls_url}?verify=none")
        await store.check(patience_s=PATIENCE_S)
        server.freeze()  # it does not say good-bye
        try:
            await store.close()
        finally:
            server.thaw()

    for _ in range(3):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(use())


@pytest.mark.parametrize("option", ["ca", "cert"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, option: str) -> None:
    (tmp_path / "rubbish.pem").write_text("rubbish")
    for name in ("nothing.pem", "rubbish.pem"):
        with pytest.raises(SettingsError, match=name):
            Store.at(f"rediss://localhost?{option}={tmp_path / name}")
