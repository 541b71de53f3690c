"""The settings of `[plugins.email]`: which server sends the mail, and as whom."""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

import jobd
from jobd_email.address import Address, Mailbox

PORTS = {"starttls": 587, "implicit": 465, "none": 25}


def _readable(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"no certificates can be read from it: {error}") from None
    return path


class EmailSettings(BaseModel):
    """`[plugins.email]` of the configuration file, or `JOBD_PLUGINS__EMAIL__<NAME>` of the environment."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str | None = None
    """the SMTP server; without one every send-email job fails"""
    port: int | None = Field(default=None, ge=1, le=65_535)
    """None: 587 for starttls, 465 for implicit, 25 for none"""
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    """with TLS, the server's certificate is always verified"""
    ca_file: Annotated[Path, AfterValidator(_readable)] | None = None
    """PEM file of authorities to trust beside the system's, for a server with a certificate of your own"""
    username: str | None = None
    password: SecretStr | None = None
    sender: Address | None = None
    """who the mail is from, `jobd@example.com` or `Jobd <jobd@example.com>`; None: the username, if it is an address,
    or jobd@localhost if the server is on this machine"""
    timeout: float = Field(default=20, gt=0, le=60)
    """seconds that one step of the conversation with the server may take"""
    template_dir: Path | None = None
    """where the templates are"""

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @model_validator(mode="after")
    def _log_in_safely(self) -> Self:
        if self.password is not None and self.username is None:
            raise ValueError("there is a password and no username; set both or neither")
        if self.password is not None and self.tls == "none" and not _is_this_machine(self.host):
            raise ValueError('tls = "none" would send the password in the clear; use "starttls" or "implicit"')
        return self

    @property
    def server(self) -> tuple[str, int]:
        """Host and port of the server. Raises jobd.Fail, saying what to set, if there is none."""
        if self.host is None:
            raise jobd.Fail(_unset("host", "the name of your SMTP server"))
        return self.host, self.port or PORTS[self.tls]

    @property
    def mail_from(self) -> Mailbox:
        """Who the mail is from. Raises jobd.Fail, saying what to set, if nobody is named."""
        if self.sender is not None:
            return Mailbox.parse(self.sender)
        try:
            return Mailbox.parse(self.username or "")
        except ValueError:
            if _is_this_machine(self.host):
                return Mailbox.parse("jobd@localhost")
            raise jobd.Fail(_unset("sender", "the address that mail is sent from")) from None


def _unset(name: str, meaning: str) -> str:
    return f"no mail can be sent: set [plugins.email] {name} (or JOBD_PLUGINS__EMAIL__{name.upper()}) to {meaning}"


def _is_this_machine(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return host in ("localhost", None)
