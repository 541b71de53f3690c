"""From what people say to settings: configuration file (TOML) < environment < flags, checked whole."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from jobd.errors import SettingsError
from jobd.settings.environment import Environment, Given
from jobd.settings.queues import QueueSettings
from jobd.settings.settings import SETTINGS, Settings

_OPEN = frozenset({("plugins",), ("queues",)})
"""sections of sections, whose names are for others to choose"""
_USUAL_FILE = Path("jobd.toml")


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Settings:
    """The settings of this process. `flags` is nested as the settings are; `environment` defaults to that of the
    process and `.env`; `config` to JOBD_CONFIG, else `jobd.toml` in the working directory if there is one.
    Raises SettingsError naming each wrong setting and where it came from."""
    outside = Environment.of_process() if environment is None else Environment(environment)
    if config is None and (path := outside.get("JOBD_CONFIG")):
        config = Path(path).expanduser()
    given = [
        *_flat(_file(config), str(config or _USUAL_FILE)),
        *outside.foreign(),
        *outside.own(SETTINGS),
        *_flat(flags or {}, "the command line"),
    ]
    try:
        return Settings.model_validate(_nested(given))
    except ValidationError as error:
        raise SettingsError("\n".join(_explained(error, given))) from None


def _file(path: Path | None) -> dict[str, Any]:
    if path is None and not _USUAL_FILE.is_file():
        return {}
    path = path or _USUAL_FILE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: the configuration file cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: this is not TOML: {error}") from error


def _flat(values: Mapping[str, Any], origin: str, above: tuple[str, ...] = ()) -> Iterator[Given]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, origin, (*above, name))
        else:
            yield Given((*above, name), value, origin)


def _nested(given: Iterable[Given]) -> dict[str, Any]:
    """What was given, the later over the earlier."""
    whole: dict[str, Any] = {}
    for item in given:
        here = whole
        for name in item.path[:-1]:
            if not isinstance(here.get(name), dict):
                here[name] = {}
            here = here[name]
        here[item.path[-1]] = item.value
    return whole


# --- what is wrong with it ---------------------------------------------------------------------------------------


def _explained(error: ValidationError, given: list[Given]) -> list[str]:
    """A line for each wrong setting."""
    faults: dict[tuple[str, ...], list[str]] = {}
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        place = _place(fault["loc"])
        sentence = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            sentence = f"there is no such setting{_meant(place)}"
        elif fault["type"] == "model_type":
            sentence = "this is a section, which has settings of its own"
        faults.setdefault(place, []).append(sentence)
    return [
        f"{'.'.join(place)} (from {_origin(place, given)}): {'; or: '.join(sentences)}"
        for place, sentences in faults.items()
    ]


def _place(location: tuple[int | str, ...]) -> tuple[str, ...]:
    """The setting at a place that pydantic names, without the branches of unions below it."""
    path = tuple(map(str, location))
    return next((path[:length] for length in range(1, len(path)) if path[:length] in SETTINGS - _OPEN), path)


def _meant(path: tuple[str, ...]) -> str:
    if path[0] == "queues":
        known = {".".join((*path[:2], name)) for name in QueueSettings.model_fields}
    else:
        known = {".".join(path[:length]) for path in SETTINGS for length in (1, 2)}
    near = difflib.get_close_matches(".".join(path), sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _origin(place: tuple[str, ...], given: list[Given]) -> str:
    """Where the value at a place came from: the last that was given there, above, or below."""
    for item in reversed(given):
        shared = min(len(item.path), len(place))
        if item.path[:shared] == place[:shared]:
            return item.origin
    return "the defaults"
