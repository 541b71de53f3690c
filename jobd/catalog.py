"""The catalog: finds plugins, checks what they offer, and answers which job type has a name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from jobd import hookspecs
from jobd.domain.jobtype import JobType
from jobd.domain.names import same_name
from jobd.errors import JobdError, PluginError, UnknownJobType

if TYPE_CHECKING:
    from pydantic import BaseModel

GROUP = "jobd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """An installed plugin and what it offers."""

    name: str
    package: str
    version: str
    job_types: tuple[str, ...]
    hooks: tuple[str, ...]
    active: bool
    """False: the settings leave it out, or it cannot be used"""
    error: str | None = None
    """why it cannot be used; only `survey` goes on then"""


class Catalog:
    """The job types, services and settings that plugins offer."""

    def __init__(self, job_types: Iterable[JobType[Any, Any]] = ()) -> None:
        """A catalog of these job types alone. Raises PluginError if two have one name."""
        self._hooks = pluggy.PluginManager(GROUP)
        self._hooks.add_hookspecs(hookspecs)
        self._types: dict[str, JobType[Any, Any]] = {}
        self._owners: dict[str, str] = {}
        self.plugins: tuple[Plugin, ...] = ()
        self.services: dict[type | str, Callable[..., Any]] = {}
        self.settings_models: dict[str, type[BaseModel]] = {}
        for job_type in job_types:
            self._add_type(job_type, job_type.__module__)

    @classmethod
    def of_installed(cls, *, without: Collection[str] = ()) -> Catalog:
        """The catalog of all installed plugins, except those named in `without`. Raises PluginError naming the plugin
        and the cure."""
        catalog = cls()
        found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
        unknown = set(without) - {entry.name for entry in found}
        if unknown:
            installed = ", ".join(entry.name for entry in found) or "none"
            raise PluginError(f"without: no plugin is called {min(unknown)!r}; installed: {installed}")
        catalog.plugins = tuple(catalog._take_in(entry, active=entry.name not in without) for entry in found)
        return catalog

    @classmethod
    def survey(cls, *, without: Collection[str] = ()) -> tuple[Plugin, ...]:
        """All installed plugins, also those that cannot be used, with the reason."""
        catalog = cls()
        found = []
        for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
            try:
                plugin = catalog._take_in(entry, active=entry.name not in without)
            except Exception as error:  # noqa: BLE001  what is surveyed may be broken in any way
                reason = str(error) if isinstance(error, JobdError) else f"{type(error).__name__}: {error}"
                plugin = replace(catalog._take_in(entry, active=False), error=reason)
            found.append(plugin)
        return tuple(found)

    @property
    def types(self) -> Mapping[str, JobType[Any, Any]]:
        """The job types, by the form of their names in which `_` and `-` are the same."""
        return self._types

    def find(self, name: str) -> JobType[Any, Any] | None:
        """The job type of this name, in which `_` and `-` are the same; None if there is none."""
        return self._types.get(same_name(name))

    def type_named(self, name: str) -> JobType[Any, Any]:
        """The job type of this name. Raises UnknownJobType with the nearest names."""
        if job_type := self.find(name):
            return job_type
        raise unknown_type(name, [job_type.name for job_type in self._types.values()])

    def settled(self, job: object) -> None:
        """Tells the plugins that a job has ended."""
        self._hooks.hook.jobd_job_settled(job=job)

    @property
    def watches_endings(self) -> bool:
        """Does any plugin want to know how jobs end?"""
        return bool(self._hooks.hook.jobd_job_settled.get_hookimpls())

    def _take_in(self, entry: EntryPoint, *, active: bool) -> Plugin:
        package = entry.dist.name if entry.dist else "?"
        version = entry.dist.version if entry.dist else "?"
        where = f"plugin {entry.name!r} (of {package} {version})"
        hooks: tuple[str, ...] = ()
        offered: list[JobType[Any, Any]] = []
        if active:
            module = self._load(entry, where)
            hooks = tuple(sorted(caller.name for caller in self._hooks.get_hookcallers(module) or ()))
            offered = self._job_types(module, where)
            for job_type in offered:
                self._add_type(job_type, where)
            self._take_settings(module, where)
            self._take_services(module, where)
        return Plugin(
            name=entry.name,
            package=package,
            version=version,
            job_types=tuple(job_type.name for job_type in offered),
            hooks=hooks,
            active=active,
        )

    def _load(self, entry: EntryPoint, where: str) -> object:
        try:
            module: object = entry.load()
        except Exception as error:
            raise PluginError(
                f"{where} cannot be imported: {type(error).__name__}: {error}; repair or uninstall it, or leave it out "
                f"with JOBD_WITHOUT={entry.name}"
            ) from error
        try:
            self._hooks.register(module, name=entry.name)
            self._hooks.check_pending()
        except pluggy.PluginValidationError as error:
            raise PluginError(f"{where} does not fit: {error}; see the hooks in jobd.hookspecs") from error
        return module

    def _ask(self, module: object, hook: str, where: str) -> Any:
        implementation = getattr(module, hook, None)
        if implementation is None:
            return None
        try:
            return implementation()
        except Exception as error:
            raise PluginError(f"{where}: {hook}() failed: {type(error).__name__}: {error}") from error

    def _job_types(self, module: object, where: str) -> list[JobType[Any, Any]]:
        offered = list(self._ask(module, "jobd_job_types", where) or ())
        for job_type in offered:
            if not isinstance(job_type, JobType):
                raise PluginError(
                    f"{where}: jobd_job_types() returned {job_type!r}; decorate the function with @jobd.job"
                )
        return offered

    def _add_type(self, job_type: JobType[Any, Any], owner: str) -> None:
        key = same_name(job_type.name)
        if key in self._types:
            raise PluginError(
                f"job type {job_type.name!r} is offered twice, by {self._owners[key]} and by {owner}; rename one, or "
                "leave one of the plugins out"
            )
        try:
            _ = job_type.shape
        except JobdError as error:
            raise PluginError(f"{owner}: {error}") from error
        self._types[key] = job_type
        self._owners[key] = owner

    def _take_settings(self, module: object, where: str) -> None:
        offered = self._ask(module, "jobd_settings", where)
        if offered is None:
            return
        try:
            name, model = offered
            fits = isinstance(name, str) and inspect.isclass(model) and hasattr(model, "model_validate")
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise PluginError(f"{where}: jobd_settings() returned {offered!r}, not a name and a pydantic model")
        if name in self.settings_models:
            raise PluginError(f"{where}: the settings [plugins.{name}] belong to another plugin already")
        self.settings_models[name] = model

    def _take_services(self, module: object, where: str) -> None:
        for wanted, factory in (self._ask(module, "jobd_services", where) or {}).items():
            if wanted in self.services:
                raise PluginError(f"{where}: the service {wanted!r} is offered by another plugin already")
            if not callable(factory):
                raise PluginError(f"{where}: the factory of the service {wanted!r} cannot be called")
            self.services[wanted] = factory


def unknown_type(name: str, known: Collection[str]) -> UnknownJobType:
    """The error for a name that no job type has, with what was perhaps meant."""
    near = difflib.get_close_matches(same_name(name), [same_name(word) for word in known], n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are: {', '.join(sorted(known)) or 'none'}"
    return UnknownJobType(f"there is no job type {name!r}; {hint}")
