"""The first thing a new user does: a mail, over HTTP, into the hands of a real mail server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path

import aiohttp
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.acceptance.program import Program
from tests.acceptance.until import until


class Mailbox:
    """What the mail server does with what it gets: keeps it."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  its name there
        assert isinstance(envelope.content, bytes)
        mail = BytesParser(policy=default).parsebytes(envelope.content)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


@asynccontextmanager
async def mail_server() -> AsyncIterator[tuple[int, Mailbox]]:
    """A mail server on a free port of loopback."""
    mailbox = Mailbox()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(mailbox, hostname="localhost", loop=loop), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], mailbox


@pytest.mark.requirement("1.7")
@pytest.mark.requirement("4.1")
async def test_a_mail_that_is_posted_reaches_the_mail_server_and_its_job_reads_back(tmp_path: Path) -> None:
    async with mail_server() as (port, mailbox):
        where = {"HOST": "127.0.0.1", "PORT": str(port), "TLS": "none", "SENDER": "jobd@example.com"}
        settings = {f"JOBD_PLUGINS__EMAIL__{name}": value for name, value in where.items()}
        data_dir = str(tmp_path / "data")
        with Program(tmp_path, "--data-dir", data_dir, "--port", "0", environment=settings) as program:
            async with aiohttp.ClientSession(base_url=api_of(program)) as http:
                mail = {"to": "ada@example.org", "subject": "Hello", "body": "It works."}
                async with http.post("/jobs", json={"type": "send-email", "data": mail}) as answer:
                    assert answer.status == 201
                    job = await answer.json()

                async def completed() -> dict[str, object] | None:
                    async with http.get(f"/jobs/{job['id']}") as answer:
                        now: dict[str, object] = await answer.json()
                    return now if now["status"] not in ("waiting", "active") else None

                ended = await until(completed)
    (got,) = mailbox.mails
    assert (got["To"], got["Subject"], got.get_content().strip()) == ("ada@example.org", "Hello", "It works.")
    assert ended["status"] == "completed", ended
    assert ended["data"] == mail
    assert ended["result"]["accepted"] == ["ada@example.org"]
    assert [attempt["outcome"] for attempt in ended["attempts"]] == ["returned"]
    assert ended["created_at"] <= ended["started_at"] <= ended["finished_at"]


def api_of(program: Program) -> str:
    """Where its API is, as it said when it was up."""
    line = next(line for line in program.said if " API " in line)
    return line.split()[1].removesuffix("/api/v1/jobs")
