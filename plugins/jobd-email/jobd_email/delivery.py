"""Hands one letter to the SMTP server, and tells faults that pass from faults that stay."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import aiosmtplib
from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPStatus,
)

import jobd
from jobd_email.letter import Letter
from jobd_email.receipt import Receipt, Refusal
from jobd_email.settings import EmailSettings

GREYLIST_PAUSE = "5m"
"""servers that put off strangers want them to come back after minutes, not seconds"""


async def deliver(letter: Letter, settings: EmailSettings, *, last_attempt: bool) -> Receipt:
    """Sends the letter. Raises jobd.Fail for what another attempt would not change, jobd.Retry for what it may.

    The server is given the letter once each recipient is either accepted or refused for good; so nobody gets it twice
    because somebody else was put off. On the last attempt those who are accepted get it.
    """
    host, port = settings.server
    with _faults_told(settings):
        client = aiosmtplib.SMTP(
            hostname=host,
            port=port,
            timeout=settings.timeout,
            use_tls=settings.tls == "implicit",
            start_tls=False,  # done below, where a server without it can be told from a fault
            tls_context=None if settings.tls == "none" else _tls_context(settings.ca_file),
        )
        try:
            await client.connect()
            await _log_in(client, settings)
            receipt = await _hand_over(client, letter, last_attempt=last_attempt)
            # The letter is theirs; a fault while parting changes nothing of that.
            with suppress(SMTPException):
                await client.quit()
            return receipt
        finally:
            client.close()


async def _log_in(client: aiosmtplib.SMTP, settings: EmailSettings) -> None:
    await client.ehlo()
    if settings.tls == "starttls":
        if not client.supports_extension("starttls"):
            raise jobd.Fail('the mail server offers no STARTTLS; set [plugins.email] tls to "implicit" or "none"')
        await client.starttls()
        await client.ehlo()
    if settings.username is None or settings.password is None:
        return
    if not client.supports_extension("auth"):
        raise jobd.Fail("the mail server takes no login; remove [plugins.email] username and password, or see to tls")
    if not client.supported_auth_methods:
        raise jobd.Fail("the mail server offers no way to log in that jobd knows (CRAM-MD5, PLAIN, LOGIN)")
    await client.login(settings.username, settings.password.get_secret_value())


async def _hand_over(client: aiosmtplib.SMTP, letter: Letter, *, last_attempt: bool) -> Receipt:
    size = [f"SIZE={len(letter.content)}"] if client.supports_extension("size") else []
    await client.mail(letter.sender, options=size)
    accepted: list[str] = []
    refused: list[Refusal] = []
    for recipient in letter.recipients:
        try:
            await client.rcpt(recipient)
        except SMTPRecipientRefused as error:
            if error.code == SMTPStatus.domain_unavailable:
                raise  # the server has closed the conversation
            refused.append(Refusal(address=recipient, code=error.code, reason=error.message))
        else:
            accepted.append(recipient)
    put_off = [refusal for refusal in refused if not refusal.permanent]
    if put_off and not (accepted and last_attempt):
        raise _retry("; ".join(map(str, put_off)))
    if not accepted:
        raise jobd.Fail(f"the mail server refused all recipients: {'; '.join(map(str, refused))}")
    response = await client.data(letter.content)
    return Receipt(
        message_id=letter.message_id,
        accepted=accepted,
        refused=refused,
        response=f"{response.code} {response.message}",
    )


@contextmanager
def _faults_told(settings: EmailSettings) -> Iterator[None]:
    server = "{}:{}".format(*settings.server)
    try:
        yield
    except SMTPAuthenticationError as error:
        # Not "from error": a server may say our own words back to us, and its words stay in the error.
        raise _verdict(error.code, f"the mail server {server} refused the login", _scrubbed(error, settings)) from None
    except SMTPResponseException as error:
        raise _verdict(error.code, f"the mail server {server} refused", _scrubbed(error, settings)) from None
    except (SMTPException, OSError) as error:
        if isinstance(cause := _certificate_fault(error), ssl.SSLCertVerificationError):
            raise jobd.Fail(
                f"the certificate of the mail server {server} is not trusted: {cause.verify_message.rstrip('.')};"
                " set [plugins.email] ca_file if the authority is your own"
            ) from error
        raise jobd.Retry(f"the mail server {server} could not be used: {str(error) or type(error).__name__}") from error


def _verdict(code: int, what: str, words: str) -> jobd.Fail | jobd.Retry:
    if 500 <= code <= 599:
        return jobd.Fail(f"{what}: {code} {words}")
    return _retry(f"{what}: {code} {words}")


def _retry(reason: str) -> jobd.Retry:
    lowered = reason.lower()
    return jobd.Retry(reason, after=GREYLIST_PAUSE if "greylist" in lowered or "graylist" in lowered else None)


def _certificate_fault(error: BaseException | None) -> BaseException | None:
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__
    return error


def _scrubbed(error: SMTPResponseException, settings: EmailSettings) -> str:
    """The server's words without the password in any form in which it was sent."""
    if settings.password is None:
        return error.message
    words, password = error.message, settings.password.get_secret_value()
    plain = f"\0{settings.username}\0{password}"
    for form in (password, *(base64.b64encode(text.encode()).decode() for text in (password, plain))):
        words = words.replace(form, "***")
    return words


@lru_cache(maxsize=4)
def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Made once: reading the system's authorities takes milliseconds."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context
