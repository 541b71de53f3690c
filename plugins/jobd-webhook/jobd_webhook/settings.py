"""The settings of `[plugins.webhook]`: secrets to sign with, and where webhooks may go."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

import jobd
from jobd_webhook.places import Places
from jobd_webhook.signature import key_of


def _as_list(value: object) -> object:
    """A list may be written as one text, its parts with commas or spaces between, as environment variables are."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _usable(secrets: list[SecretStr]) -> list[SecretStr]:
    for secret in secrets:
        key_of(secret.get_secret_value())
    return secrets


def _known_places(entries: list[str]) -> list[str]:
    Places.parse(entries)
    return entries


def _readable(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"no certificates can be read from it: {error}") from None
    return path


Secrets = Annotated[list[SecretStr], Field(min_length=1), BeforeValidator(_as_list), AfterValidator(_usable)]
PlaceList = Annotated[list[str], BeforeValidator(_as_list), AfterValidator(_known_places)]
Port = Annotated[int, Field(ge=1, le=65_535)]


class WebhookSettings(BaseModel):
    """`[plugins.webhook]` of the configuration file, or `JOBD_PLUGINS__WEBHOOK__<NAME>` of the environment."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    secrets: dict[str, Secrets] = {}
    """by name, one or more `whsec_…`; with several, each webhook carries a signature of each"""
    timeout: float = Field(default=10, gt=0, le=50)
    """seconds for all of it: look up the name, connect, send, read the answer"""
    ports: Annotated[list[Port], BeforeValidator(_as_list)] = [80, 443]
    """where webhooks may go on public addresses"""
    allow_private: bool = False
    """True: any address, any port. Only where everybody who may enqueue may also reach your network"""
    allow: PlaceList = []
    """names and networks that may be reached although they are not public, on any port; a name, wherever it points"""
    only: PlaceList = []
    """if not empty, the only names and networks that may be reached"""
    ca_file: Annotated[Path, AfterValidator(_readable)] | None = None
    """PEM file of authorities to trust beside the system's"""

    def keys(self, name: str) -> list[bytes]:
        """The keys of the secret of this name. Raises jobd.Fail, saying what to set, if there is none."""
        if name not in self.secrets:
            raise jobd.Fail(
                f"there is no secret {name!r} to sign with: set {name} in [plugins.webhook.secrets]"
                f" (or JOBD_PLUGINS__WEBHOOK__SECRETS__{name.upper()}) to one or more whsec_…"
            )
        return [key_of(secret.get_secret_value()) for secret in self.secrets[name]]
