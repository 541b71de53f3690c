"""Services: what handlers may ask for by type or name, made by factories of plugins when a worker starts."""

from __future__ import annotations

import asyncio
import difflib
import inspect
import typing
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from jobd import log
from jobd.domain.names import same_name
from jobd.errors import PluginError, SettingsError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from jobd.catalog import Catalog

LONG_S = 10.0
"""a service that takes longer to open is named in the log"""


class Services:
    """Opens all services of a catalog, each once, and closes them in reverse. Use as an async context manager."""

    def __init__(
        self,
        catalog: Catalog,
        plugin_settings: Mapping[str, Mapping[str, Any]],
        *,
        only: Collection[type | str] | None = None,
        on_opening: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """`only` names those to be made; None: all. `on_opening` is told, in words, what is made next: it may take
        long. Raises SettingsError if the settings of a plugin do not fit."""
        self._factories = catalog.services
        self._only = self._factories if only is None else only
        self._owners = catalog.service_owners
        self._made: dict[type | str, Any] = dict(fill_settings(catalog, plugin_settings))
        self._making: list[type | str] = []
        self._on_opening = on_opening
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Services:
        """Raises PluginError if a service cannot be made; those made before are closed again."""
        await self._stack.__aenter__()
        try:
            for wanted in self._only:
                if wanted not in self._factories and wanted not in self._made:
                    raise self._unknown(wanted)
                await self._make(wanted)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    def get(self, wanted: type | str) -> Any:
        """The service of this type or name. Raises PluginError if no plugin offers it."""
        try:
            return self._made[wanted]
        except KeyError:
            raise self._unknown(wanted) from None

    def _unknown(self, wanted: type | str) -> PluginError:
        if wanted in self._factories:
            return PluginError(
                f"the service {_name(wanted)} was not made for this handler, which has a process of its own; name it "
                f"in its decorator, as services=[{_name(wanted)}]"
            )
        offered = {*self._made, *self._factories}
        return PluginError(
            f"no plugin offers the service {_name(wanted)}; offered are: "
            f"{', '.join(sorted(map(_name, offered))) or 'none'}"
        )

    async def _make(self, wanted: type | str) -> Any:
        if wanted in self._made:
            return self._made[wanted]
        if wanted in self._making:
            circle = " → ".join(map(_name, [*self._making[self._making.index(wanted) :], wanted]))
            raise PluginError(f"services need each other in a circle: {circle}; break it in {self._owners[wanted]}")
        self._making.append(wanted)
        factory, where = self._factories[wanted], f"{self._owners[wanted]}: service {_name(wanted)}"
        arguments = await self._arguments(where, factory)
        if self._on_opening is not None:
            await self._on_opening(where)
        slow = asyncio.get_running_loop().call_later(
            LONG_S, lambda: log.get("worker").warning("a service takes long to open", service=where)
        )
        try:
            made = await self._open(factory, arguments)
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"{where} cannot be made: {type(error).__name__}: {error}; if it is not needed, leave the plugin out "
                "(JOBD_WITHOUT)"
            ) from error
        finally:
            slow.cancel()
        if made is None:
            raise PluginError(f"{where}: its factory gives None; return the service, or yield it")
        self._making.pop()
        self._made[wanted] = made
        return made

    async def _open(self, factory: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        made = factory(**arguments)
        if inspect.isawaitable(made):
            made = await made
        if hasattr(made, "__aenter__"):
            return await self._stack.enter_async_context(made)
        if hasattr(made, "__enter__"):
            return self._stack.enter_context(made)
        return made

    async def _arguments(self, where: str, factory: Callable[..., Any]) -> dict[str, Any]:
        arguments = {}
        for parameter, hint in _parameters(where, factory):
            name = parameter.name
            key = hint if hint in self._made or hint in self._factories else name
            if key in self._made:
                arguments[name] = self._made[key]
            elif key in self._factories:
                arguments[name] = await self._make(key)
            elif parameter.default is Parameter.empty:
                raise PluginError(
                    f"{where}: nobody offers what its factory needs as {name!r}: {_name(hint)}; offer it with "
                    "jobd_services or jobd_settings"
                )
        return arguments


def fill_settings(catalog: Catalog, given: Mapping[str, Mapping[str, Any]]) -> list[tuple[type[BaseModel], BaseModel]]:
    """The settings of all plugins, filled from `[plugins.<name>]`; in names `_` and `-` are the same. Raises
    SettingsError naming each wrong setting, and for a section that belongs to no plugin."""
    sections = {same_name(name): section for name, section in given.items()}
    known = {*map(same_name, catalog.settings_models)}
    left_out = {same_name(plugin.name) for plugin in catalog.plugins if not plugin.active}
    if unknown := sorted(sections.keys() - known - left_out):
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean [plugins.{near[0]}]?" if near else f"there are: {', '.join(sorted(known)) or 'none'}"
        raise SettingsError(f"[plugins.{unknown[0]}]: no installed plugin has settings of this name; {hint}")
    return [
        (model, _filled(name, model, sections.get(same_name(name), {})))
        for name, model in catalog.settings_models.items()
    ]


def _filled(name: str, model: type[BaseModel], section: Mapping[str, Any]) -> BaseModel:
    from pydantic import ValidationError

    try:
        return model.model_validate(section, extra=None if model.model_config.get("extra") == "allow" else "forbid")
    except ValidationError as error:
        lines = []
        for fault in error.errors(include_url=False, include_context=False, include_input=False):
            path = [str(part) for part in fault["loc"]]
            variable = "__".join(["JOBD_PLUGINS", same_name(name).replace("-", "_"), *path]).upper()
            sentence = (
                "there is no such setting"
                if fault["type"] == "extra_forbidden"
                else fault["msg"].removeprefix("Value error, ")
            )
            lines.append(f"[plugins.{name}] {'.'.join(path) or 'as a whole'} (or {variable}): {sentence}")
        raise SettingsError("\n".join(lines)) from None


def _parameters(where: str, factory: Callable[..., Any]) -> list[tuple[Parameter, Any]]:
    try:
        hints = typing.get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)
        parameters = inspect.signature(factory).parameters.values()
    except (NameError, AttributeError, TypeError, ValueError) as error:
        raise PluginError(f"{where}: the signature of its factory cannot be read: {error}; use a function") from error
    fillable = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return [(p, hints.get(p.name, p.name)) for p in parameters if p.kind in fillable]


def _name(wanted: Any) -> str:
    return wanted if isinstance(wanted, str) else getattr(wanted, "__qualname__", repr(wanted))
