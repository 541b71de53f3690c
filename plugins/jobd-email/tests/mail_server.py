"""A real SMTP server on loopback, in the event loop of the test, and certificates made for it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER = "jobd@example.com"
PASSWORD = "correct horse battery staple"


@dataclass
class MailServer:
    """What the server has got, and what it is to answer."""

    port: int = 0
    mails: list[Envelope] = field(default_factory=list)
    logins: list[LoginPassword] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    """for each mail: did it come over TLS?"""
    mail_answer: str | None = None
    rcpt_answers: dict[str, str] = field(default_factory=dict)
    data_answer: str = "250 kept as 42"
    login_answer: str | None = None

    async def handle_MAIL(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.mail_answer is not None:
            return self.mail_answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.rcpt_answers:
            return self.rcpt_answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.data_answer.startswith("250"):
            self.mails.append(envelope)
            transport = server.transport
            self.encrypted.append(transport is not None and transport.get_extra_info("sslcontext") is not None)
        return self.data_answer

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth_data: LoginPassword
    ) -> AuthResult:
        self.logins.append(auth_data)
        if self.login_answer is not None:
            return AuthResult(success=False, handled=False, message=self.login_answer)
        good = auth_data.login == USER.encode() and auth_data.password == PASSWORD.encode()
        return AuthResult(success=good, handled=False, message=None if good else "535 5.7.8 wrong password")


@asynccontextmanager
async def mail_server(
    *, starttls: ssl.SSLContext | None = None, implicit: ssl.SSLContext | None = None, login: bool = False, **how: Any
) -> AsyncIterator[MailServer]:
    """A server that listens: without TLS, with STARTTLS, or with TLS from the first byte."""
    mails = MailServer(**how)
    options: dict[str, Any] = {"hostname": "localhost", "ident": "test", "data_size_limit": 1_000_000}
    if starttls is not None:
        options.update(tls_context=starttls, require_starttls=True)
    if login:
        options.update(
            authenticator=mails.authenticate, auth_required=starttls is not None, auth_require_tls=starttls is not None
        )
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(mails, **options, loop=loop), "127.0.0.1", 0, ssl=implicit)
    mails.port = server.sockets[0].getsockname()[1]
    try:
        yield mails
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def speaking_server(*lines: str) -> AsyncIterator[int]:
    """A server that says one line on connection and one after each thing it hears, then hangs up. Yields its port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for before, line in zip(("", *lines), lines, strict=False):
            if before:
                await reader.readuntil(b"\r\n.\r\n" if before.startswith("354") else b"\r\n")
            writer.write(line.encode() + b"\r\n")
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@dataclass(frozen=True)
class Certificates:
    """An authority of our own and a certificate for localhost."""

    ca_file: Path
    server: ssl.SSLContext


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
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    leaf = (
        certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), key.public_key())
        .add_extension(names, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    ca_file, chain_file = directory / "ca.pem", directory / "server.pem"
    ca_file.write_bytes(ca.public_bytes(pem))
    chain_file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + leaf.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain_file)
    return Certificates(ca_file, context)
