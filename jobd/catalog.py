"""The catalog: finds plugins, checks what they offer, and answers which job type has a name."""

from __future__ import annotations

import difflib
import inspect
import re
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

    from jobd.domain.job import Job

GROUP = "jobd"
HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("jobd_"))
"""the names of all hooks"""
_SETTINGS_NAME = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*")


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
        """the factories"""
        self.service_owners: dict[type | str, str] = {}
        """which plugin offers each, in words"""
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
                if catalog._hooks.has_plugin(entry.name):
                    catalog._hooks.unregister(name=entry.name)
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
        return self._types.get(name) or self._types.get(same_name(name))

    def type_named(self, name: str) -> JobType[Any, Any]:
        """The job type of this name. Raises UnknownJobType with the nearest names."""
        if job_type := self.find(name):
            return job_type
        raise unknown_type(name, [job_type.name for job_type in self._types.values()])

    def settled(self, job: Job) -> None:
        """Tells the plugins that a job has ended, each of them, whatever the others do. Raises ExceptionGroup of what
        they raised."""
        errors = []
        for observer in self._hooks.hook.jobd_job_settled.get_hookimpls():
            try:
                observer.function(**dict.fromkeys(observer.argnames, job))
            except Exception as error:  # noqa: BLE001  it is raised below, after the others were told
                errors.append(error)
        if errors:
            raise ExceptionGroup("jobd_job_settled failed", errors)

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
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"{where} cannot be imported: {type(error).__name__}: {error}; repair or uninstall it, or leave it out "
                f"with JOBD_WITHOUT={entry.name}"
            ) from error
        try:
            self._hooks.register(module, name=entry.name)
            self._hooks.check_pending()
        except pluggy.PluginValidationError as error:
            raise PluginError(f"{where} does not fit: {error}; there are the hooks {', '.join(HOOKS)}") from error
        except ValueError as error:
            raise PluginError(
                f"{where}: another plugin has this name, or names the same module; uninstall one of the two"
            ) from error
        for hook in HOOKS:
            function = getattr(module, hook, None)
            if inspect.isfunction(function) and self._implementation(module, hook) is None:
                raise PluginError(f"{where}: {hook}() is not marked as a hook; put @jobd.hookimpl above it")
            if inspect.iscoroutinefunction(function):
                raise PluginError(f"{where}: {hook}() is async; hooks are plain functions, jobd does the awaiting")
        return module

    def _implementation(self, module: object, hook: str) -> Callable[..., Any] | None:
        implementations: list[pluggy.HookImpl] = getattr(self._hooks.hook, hook).get_hookimpls()
        return next((found.function for found in implementations if found.plugin is module), None)

    def _ask(self, module: object, hook: str, where: str) -> Any:
        implementation = self._implementation(module, hook)
        if implementation is None:
            return None
        try:
            answer = implementation()
            return list(answer) if inspect.isgenerator(answer) else answer
        except Exception as error:
            raise PluginError(f"{where}: {hook}() failed: {type(error).__name__}: {error}") from error

    def _job_types(self, module: object, where: str) -> list[JobType[Any, Any]]:
        answer = self._ask(module, "jobd_job_types", where)
        if answer is None:
            return []
        if isinstance(answer, str | bytes | Mapping) or not isinstance(answer, Iterable):
            raise PluginError(f"{where}: jobd_job_types() returned {answer!r}; return a list of job types")
        offered = list(answer)
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
                "leave one of the plugins out with JOBD_WITHOUT=<plugin>"
            )
        try:
            job_type.check_keys()
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
            raise PluginError(f"{where}: jobd_settings() returned {offered!r}; return a name and a pydantic model")
        if not _SETTINGS_NAME.fullmatch(name):
            raise PluginError(f"{where}: settings {name!r}: use a word of a-z, 0-9 and single '_' or '-' between them")
        if same_name(name) in map(same_name, self.settings_models):
            raise PluginError(f"{where}: the settings [plugins.{name}] belong to another plugin already; rename them")
        self.settings_models[name] = model

    def _take_services(self, module: object, where: str) -> None:
        offered = self._ask(module, "jobd_services", where)
        if offered is None:
            return
        if not isinstance(offered, Mapping):
            raise PluginError(f"{where}: jobd_services() returned {offered!r}; return a dict of factories")
        for wanted, factory in offered.items():
            if not isinstance(wanted, type | str):
                raise PluginError(f"{where}: service {wanted!r}: the key of a service is a type or a name")
            if wanted in self.services:
                raise PluginError(
                    f"{where}: the service {wanted!r} is offered by {self.service_owners[wanted]} already; rename it, "
                    "or leave one of the plugins out"
                )
            if not callable(factory):
                raise PluginError(f"{where}: service {wanted!r}: {factory!r} cannot be called; give a factory")
            self.services[wanted] = factory
            self.service_owners[wanted] = where


def unknown_type(name: str, known: Collection[str]) -> UnknownJobType:
    """The error for a name that no job type has, with what was perhaps meant."""
    names = {same_name(word): word for word in known}
    near = [names[word] for word in difflib.get_close_matches(same_name(name), names, n=3, cutoff=0.6)]
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are: {', '.join(sorted(set(known))) or 'none'}"
    return UnknownJobType(f"there is no job type {name!r}; {hint}")
