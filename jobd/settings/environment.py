"""What the environment says about settings: jobd's own names, and those that users of other systems have there.

A setting `worker.grace` is JOBD_WORKER__GRACE. `.env` in the working directory is read like the environment, which wins
over it. Empty values count as not given.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from dotenv import dotenv_values

from jobd.errors import SettingsError

PREFIX = "JOBD_"
FILE = ".env"
_NEAR = 0.6
_REDIS = ("REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB")
_FOREIGN = {
    "WORKER_COUNT": ("worker", "processes"),
    "QUEUE_MAX_CONCURRENCY": ("worker", "concurrency"),
    "QUEUE_REMOVE_ON_SUCCESS": ("retention", "completed"),
    "QUEUE_REMOVE_ON_FAILURE": ("retention", "failed"),
    "QUEUE_DEFAULT_RETRIES": ("defaults", "retries"),
}
_SPECIAL = ("JOBD_CONFIG", "JOBD_TOKEN")


@dataclass(frozen=True, slots=True)
class Given:
    """One value that somebody gave for a setting."""

    path: tuple[str, ...]
    """("worker", "grace")"""
    value: Any
    origin: str
    """where it came from, for messages"""


class Environment:
    """The environment of a process, and the `.env` below it."""

    def __init__(self, names: Mapping[str, str], file: Mapping[str, str] | None = None) -> None:
        self._file = file or {}
        # Kubernetes sets JOBD_PORT=tcp://10.0.0.1:80 for a service that is called jobd, and REDIS_PORT likewise
        self._names = {
            name: value
            for name, value in {**self._file, **names}.items()
            if value != "" and not (name.endswith("_PORT") and value.startswith(("tcp://", "udp://")))
        }
        self._own = names

    @classmethod
    def of_process(cls) -> Environment:
        """Raises SettingsError if there is an `.env` that cannot be read."""
        try:
            file = {name: value for name, value in dotenv_values(FILE).items() if value is not None}
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{FILE}: this file cannot be read: {error}") from error
        return cls(os.environ, file)

    def get(self, name: str) -> str | None:
        """The value of a name; None if it has none."""
        return self._names.get(name)

    def foreign(self) -> Iterator[Given]:
        """What the names of other systems say."""
        redis = [name for name in _REDIS if name in self._names]
        if redis:
            url = self._names.get("REDIS_URL")
            origin = "REDIS_URL" if url else ", ".join(redis)
            yield Given(("redis_url",), url or self._url_of_parts(), origin)
        for name, path in _FOREIGN.items():
            if name in self._names:
                yield Given(path, self._names[name], self._origin(name))

    def own(self, known: Collection[tuple[str, ...]]) -> Iterator[Given]:
        """What jobd's own names say; `known` are the paths of all settings. Raises SettingsError for a name that looks
        like that of a setting and is none. Other names with this prefix belong to somebody else."""
        if "JOBD_TOKEN" in self._names:
            yield Given(("http", "token"), self._names["JOBD_TOKEN"], self._origin("JOBD_TOKEN"))
        sections = {path[0] for path in known if len(path) > 1} | {"plugins", "queues"}
        for name, value in self._names.items():
            if not name.startswith(PREFIX) or name in _SPECIAL:
                continue
            path = tuple(name.removeprefix(PREFIX).lower().split("__"))
            if len(path) > 1 or path in known:
                yield Given(path, value, self._origin(name))
            elif near := _meant(path[0], known, sections):
                raise SettingsError(f"{self._origin(name)}: there is no such setting; did you mean {near}?")

    def _origin(self, name: str) -> str:
        return name if name in self._own else f"{name} in {FILE}"

    def _url_of_parts(self) -> str:
        host = self._names.get("REDIS_HOST", "localhost")
        password = self._names.get("REDIS_PASSWORD")
        secret = f":{quote(password, safe='')}@" if password else ""
        place = f"[{host}]" if ":" in host else host
        return f"redis://{secret}{place}:{self._names.get('REDIS_PORT', '6379')}/{self._names.get('REDIS_DB', '0')}"


def variable(path: Collection[str]) -> str:
    """The name that a setting has in the environment."""
    return PREFIX + "__".join(path).upper()


def _meant(word: str, known: Collection[tuple[str, ...]], sections: Collection[str]) -> str | None:
    if word in sections:
        return f"{variable([word, ''])}…"
    names = ["__".join(path) for path in known]
    if near := difflib.get_close_matches(word, names, n=1, cutoff=_NEAR):
        return PREFIX + near[0].upper()
    section = next((section for section in sections if word.startswith(f"{section}_")), None)
    return f"{variable([section, ''])}…" if section else None
