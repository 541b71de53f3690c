"""Services: what handlers may ask for by type or name, made by factories of plugins when a worker starts."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from jobd.errors import PluginError, SettingsError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from jobd.catalog import Catalog


class Services:
    """Opens all services of a catalog, each once, and closes them in reverse. Use as an async context manager."""

    def __init__(self, catalog: Catalog, plugin_settings: Mapping[str, Mapping[str, Any]]) -> None:
        self._factories = catalog.services
        self._made: dict[type | str, Any] = dict(_filled(catalog.settings_models, plugin_settings))
        self._making: list[type | str] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Services:
        """Raises PluginError or SettingsError if a service cannot be made; those made before are closed again."""
        await self._stack.__aenter__()
        try:
            for wanted in self._factories:
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
            raise PluginError(
                f"no plugin offers the service {_name(wanted)}; offered are: "
                f"{', '.join(sorted(map(_name, self._made))) or 'none'}"
            ) from None

    async def _make(self, wanted: type | str) -> Any:
        if wanted in self._made:
            return self._made[wanted]
        if wanted in self._making:
            circle = " → ".join(map(_name, [*self._making, wanted]))
            raise PluginError(f"services need each other in a circle: {circle}")
        self._making.append(wanted)
        factory = self._factories[wanted]
        arguments = {name: await self._argument(wanted, name, hint) for name, hint in _parameters(wanted, factory)}
        made = factory(**arguments)
        if inspect.isawaitable(made):
            made = await made
        # a service that is itself a context manager, asked for by its own type, is taken as it is
        if isinstance(wanted, str) or not isinstance(made, wanted):
            if hasattr(made, "__aenter__"):
                made = await self._stack.enter_async_context(made)
            elif hasattr(made, "__enter__"):
                made = self._stack.enter_context(made)
        self._making.pop()
        self._made[wanted] = made
        return made

    async def _argument(self, wanted: type | str, name: str, hint: Any) -> Any:
        key = hint if hint in self._made or hint in self._factories else name
        if key in self._made:
            return self._made[key]
        if key in self._factories:
            return await self._make(key)
        raise PluginError(f"service {_name(wanted)}: nobody offers what its factory needs as {name}: {_name(hint)}")


def _parameters(wanted: type | str, factory: Callable[..., Any]) -> list[tuple[str, Any]]:
    try:
        hints = typing.get_type_hints(factory if not inspect.isclass(factory) else factory.__init__)
        parameters = inspect.signature(factory).parameters.values()
    except (NameError, TypeError, ValueError) as error:
        raise PluginError(f"service {_name(wanted)}: the signature of its factory cannot be read: {error}") from error
    needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return [(p.name, hints.get(p.name, p.name)) for p in needed]


def _filled(
    models: Mapping[str, type[BaseModel]], given: Mapping[str, Mapping[str, Any]]
) -> list[tuple[type[BaseModel], BaseModel]]:
    from pydantic import ValidationError

    filled = []
    for name, model in models.items():
        try:
            filled.append((model, model.model_validate(dict(given.get(name, {})))))
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise SettingsError(f"[plugins.{name}]: {faults}") from None
    return filled


def _name(wanted: Any) -> str:
    return wanted if isinstance(wanted, str) else getattr(wanted, "__qualname__", repr(wanted))
