"""Services: made when a worker starts, each once, closed in reverse; and what is said about those that cannot be."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from jobd.catalog import Catalog
from jobd.errors import PluginError, SettingsError
from jobd.services import Services
from tests.plugin_shelf import PluginShelf


class Clock(BaseModel):
    zone: str = "UTC"


class Mailer:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock


def offering(**factories: Any) -> Catalog:
    """A catalog with these services, and with the settings `clock`."""
    catalog = Catalog()
    catalog.settings_models["clock"] = Clock
    for name, factory in factories.items():
        catalog.services[name] = factory
        catalog.service_owners[name] = "plugin 'shelf'"
    return catalog


async def refusal(catalog: Catalog) -> str:
    with pytest.raises(PluginError) as caught:
        await Services(catalog, {}).__aenter__()
    return str(caught.value)


@pytest.mark.requirement("1.5")
async def test_a_service_of_an_installed_plugin_is_made_with_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = PluginShelf(tmp_path, monkeypatch)
    shelf.put(
        "greeting",
        """
        from pydantic import BaseModel
        class Words(BaseModel):
            word: str = "hello"
        class Greeter:
            def __init__(self, words: Words):
                self.words = words
        @jobd.hookimpl
        def jobd_settings(): return "greeting", Words
        @jobd.hookimpl
        def jobd_services(): return {Greeter: Greeter, "by name": lambda: "itself"}
        """,
    )
    async with Services(shelf.catalog(), {"greeting": {"word": "good day"}}) as services:
        greeting = sys.modules["shelf_greeting"]
        assert services.get(greeting.Greeter).words.word == "good day"
        assert services.get(greeting.Words).word == "good day"
        assert services.get("by name") == "itself"


async def test_factories_may_be_of_every_kind() -> None:
    log: list[str] = []

    def plain() -> str:
        return "plain"

    async def awaited() -> str:
        return "awaited"

    @contextmanager
    def entered() -> Iterator[str]:
        log.append("entered")
        yield "entered"
        log.append("left")

    @asynccontextmanager
    async def async_entered() -> Any:
        log.append("async entered")
        yield "async entered"
        log.append("async left")

    class Session:
        """As many libraries have it: entering gives itself."""

        async def __aenter__(self) -> Session:
            log.append("session opened")
            return self

        async def __aexit__(self, *exception: object) -> None:
            log.append("session closed")

    catalog = offering(
        plain=plain, awaited=awaited, entered=entered, async_entered=async_entered, session=lambda: Session()
    )
    async with Services(catalog, {}) as services:
        assert services.get("plain") == "plain"
        assert services.get("awaited") == "awaited"
        assert services.get("entered") == "entered"
        assert services.get("async_entered") == "async entered"
        assert isinstance(services.get("session"), Session)
        assert log == ["entered", "async entered", "session opened"]
    assert log[3:] == ["session closed", "async left", "left"]


async def test_a_factory_is_given_what_it_names_by_type_else_by_name_and_keeps_its_defaults() -> None:
    made: list[str] = []

    def clock_tower(clock: Clock, number: int = 5) -> Any:
        made.append("tower")
        return (clock.zone, number)

    async def city(clock_tower: Any, *, clock: Clock | None = None, mailer: Mailer) -> Any:
        made.append("city")
        return (clock_tower, clock, mailer.clock.zone)

    catalog = offering(city=city, clock_tower=clock_tower)
    catalog.services[Mailer] = Mailer
    catalog.service_owners[Mailer] = "plugin 'shelf'"
    async with Services(catalog, {"clock": {"zone": "CET"}}) as services:
        assert services.get("city") == (("CET", 5), None, "CET")
        assert services.get("clock_tower") is services.get("city")[0]
    assert made == ["tower", "city"]


async def test_a_default_gives_way_to_what_is_offered() -> None:
    def tower(clock: Clock = Clock(zone="nowhere")) -> str:  # noqa: B008  that is what is tested
        return clock.zone

    async with Services(offering(tower=tower), {}) as services:
        assert services.get("tower") == "UTC"


async def test_those_made_before_are_closed_when_a_later_one_fails() -> None:
    log: list[str] = []

    def opened(name: str) -> Any:
        @contextmanager
        def factory() -> Iterator[str]:
            log.append(f"{name} opened")
            try:
                yield name
            finally:
                log.append(f"{name} closed")

        return factory

    def broken(second: str) -> None:
        raise ValueError(f"no use for {second}")

    said = await refusal(offering(first=opened("first"), broken=broken, second=opened("second")))
    assert log == ["first opened", "second opened", "second closed", "first closed"]
    assert said == (
        "plugin 'shelf': service broken cannot be made: ValueError: no use for second; if it is not needed, leave the "
        "plugin out (JOBD_WITHOUT)"
    )


async def test_one_that_fails_to_close_does_not_keep_the_others_open() -> None:
    log: list[str] = []

    @contextmanager
    def careful() -> Iterator[str]:
        yield "careful"
        log.append("closed")

    @contextmanager
    def careless() -> Iterator[str]:
        yield "careless"
        raise ValueError("at the end")

    with pytest.raises(ValueError, match="at the end"):
        async with Services(offering(careful=careful, careless=careless), {}):
            pass
    assert not log  # the exception went through it, as through any context manager


@contextmanager
def failing() -> Iterator[None]:
    raise OSError("no such host")
    yield


def unreadable(clock: NoSuchType) -> None: ...  # type: ignore[name-defined]  # noqa: F821  that is the point


def nothing() -> None: ...


def wants(a: float) -> None: ...


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (failing, "plugin 'shelf': service it cannot be made: OSError: no such host; if it is not needed, leave the"),
        (nothing, "plugin 'shelf': service it: its factory gives None; return the service, or yield it"),
        (wants, "plugin 'shelf': service it: nobody offers what its factory needs as 'a': float; offer it with jobd_"),
        (unreadable, "plugin 'shelf': service it: the signature of its factory cannot be read: name 'NoSuchType' is"),
    ],
)
async def test_a_service_that_cannot_be_made_is_refused_with_its_plugin_and_the_cure(factory: Any, said: str) -> None:
    assert (await refusal(offering(it=factory))).startswith(said)


async def test_services_that_need_each_other_in_a_circle_are_refused() -> None:
    def zero(one: Any) -> None: ...

    def one(two: Any) -> None: ...

    def two(one: Any) -> None: ...

    assert await refusal(offering(zero=zero, one=one, two=two)) == (
        "services need each other in a circle: one → two → one; break it in plugin 'shelf'"
    )


async def test_what_nobody_offers_is_refused_with_what_there_is() -> None:
    async with Services(offering(one=lambda: 1), {}) as services:
        with pytest.raises(PluginError, match=r"^no plugin offers the service Mailer; offered are: Clock, one$"):
            services.get(Mailer)
    with pytest.raises(PluginError, match=r"^no plugin offers the service 'x'|x; offered are: none$"):
        Services(Catalog(), {}).get("x")


async def test_where_only_some_are_made_the_others_are_refused_with_the_cure() -> None:
    catalog = offering(one=lambda: pytest.fail("nobody asked for it"), two=lambda: 2)
    async with Services(catalog, {}, only=["two", Clock]) as services:
        assert (services.get("two"), services.get(Clock).zone) == (2, "UTC")
        with pytest.raises(PluginError, match=r"not made for this handler.* as services=\[one\]"):
            services.get("one")
    with pytest.raises(PluginError, match="no plugin offers the service three; offered are: Clock, one, two"):
        await Services(catalog, {}, only=["three"]).__aenter__()


def test_settings_that_do_not_fit_are_refused_before_anything_is_made() -> None:
    with pytest.raises(SettingsError, match=r"^\[plugins\.clock\] zone \(or JOBD_PLUGINS__CLOCK__ZONE\): Input should"):
        Services(offering(), {"clock": {"zone": []}})


def test_settings_of_a_plugin_that_is_left_out_do_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = PluginShelf(tmp_path, monkeypatch)
    shelf.put("greeting", "")
    Services(shelf.catalog("greeting"), {"greeting": {"word": "hello"}})
    with pytest.raises(SettingsError, match=r"^\[plugins\.greeting\]: no installed plugin has settings of this name"):
        Services(shelf.catalog(), {"greeting": {"word": "hello"}})
