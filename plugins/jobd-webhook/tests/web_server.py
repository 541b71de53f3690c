"""A real HTTP server on loopback that remembers what it got, and certificates made for it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Hit:
    """One request, as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    peer: int
    """the port of the other end, by which connections can be told apart"""
    server_name: str | None
    """what the client asked for in the TLS handshake"""


@dataclass
class WebServer:
    """What the server got."""

    port: int = 0
    hits: list[Hit] = field(default_factory=list)
    server_name: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"


async def thanks(_: web.Request) -> web.StreamResponse:
    return web.Response(text="thank you")


def always(status: int, text: str = "", **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=text, headers=named)

    return answer


@asynccontextmanager
async def web_server(answer: Answer = thanks, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[WebServer]:
    """A server that answers every request with `answer`, after it has noted it."""
    server = WebServer()

    async def note(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        server.hits.append(
            Hit(
                method=request.method,
                path=request.path_qs,
                headers=dict(request.headers),
                body=await request.read(),
                peer=request.transport.get_extra_info("peername")[1],
                server_name=server.server_name,
            )
        )
        return await answer(request)

    def note_name(_: ssl.SSLObject | ssl.SSLSocket, name: str | None, __: ssl.SSLContext) -> None:
        server.server_name = name

    if tls is not None:
        tls.sni_callback = note_name
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", note)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


@dataclass(frozen=True)
class Certificates:
    """An authority of our own, and a context for a server named hooks.example."""

    ca_file: Path
    chain_file: Path

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain_file)
        return context


def make_certificates(directory: Path) -> Certificates:
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the authority of these tests")])
    now = datetime.now(UTC)

    def certificate(subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )

    ca = (
        certificate(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    leaf = (
        certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example")]), key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example")]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    ca_file, chain_file = directory / "ca.pem", directory / "server.pem"
    ca_file.write_bytes(ca.public_bytes(pem))
    chain_file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + leaf.public_bytes(pem)
    )
    return Certificates(ca_file, chain_file)
