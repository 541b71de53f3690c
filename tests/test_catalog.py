"""Plugins that are installed, found by their entry points; and what is said about those that cannot be used."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import jobd
from jobd.catalog import HOOKS, Catalog, Plugin, unknown_type
from jobd.domain.job import Job
from jobd.domain.state import State
from jobd.errors import PluginError, UnknownJobType
from tests.plugin_shelf import PluginShelf

ONE_TYPE = """
    @jobd.job("{type}")
    async def work(a: int) -> int: ...

    @jobd.hookimpl
    def jobd_job_types():
        return [work]
"""


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PluginShelf:
    return PluginShelf(tmp_path, monkeypatch)


def refusal(shelf: PluginShelf) -> str:
    with pytest.raises(PluginError) as caught:
        shelf.catalog()
    return str(caught.value)


@pytest.mark.requirement("1.2")
def test_an_installed_plugin_is_found_with_all_it_offers() -> None:
    catalog = Catalog.of_installed()
    (testbed,) = (plugin for plugin in catalog.plugins if plugin.name == "testbed")
    assert (testbed.package, testbed.version, testbed.active) == ("jobd-testbed", "0.1.0", True)
    assert {"noop", "echo", "add"} <= set(testbed.job_types)
    assert testbed.hooks == ("jobd_job_types", "jobd_services", "jobd_settings")
    assert catalog.type_named("echo").name == "echo"
    assert "testbed" in catalog.settings_models
    assert [wanted.__name__ for wanted in catalog.services if isinstance(wanted, type)].count("Greeter") == 1


@pytest.mark.requirement("1.2")
def test_a_package_that_is_put_beside_the_others_is_found(shelf: PluginShelf) -> None:
    shelf.put("extra", ONE_TYPE.format(type="extra-work"))
    catalog = shelf.catalog()
    assert [plugin for plugin in catalog.plugins if plugin.active] == [
        Plugin(
            name="extra",
            package="jobd-extra",
            version="1.2",
            job_types=("extra-work",),
            hooks=("jobd_job_types",),
            active=True,
        )
    ]
    assert list(catalog.types) == ["extra-work"]


def test_a_plugin_may_be_left_out(shelf: PluginShelf) -> None:
    shelf.put("extra", "raise RuntimeError('it is not even imported')")
    catalog = shelf.catalog("extra")
    assert not catalog.types
    (extra,) = (plugin for plugin in catalog.plugins if plugin.name == "extra")
    assert (extra.active, extra.job_types, extra.hooks) == (False, (), ())


def test_a_plugin_to_leave_out_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(PluginError, match=r"^without: no plugin is called 'nobody'; installed: .*testbed"):
        Catalog.of_installed(without=["nobody"])


@pytest.mark.parametrize("spelled", ["send_email", "send-email", "Send-Email"])
def test_in_look_ups_dashes_and_underscores_are_the_same(shelf: PluginShelf, spelled: str) -> None:
    shelf.put("mail", ONE_TYPE.format(type="send_email"))
    assert shelf.catalog().type_named(spelled).name == "send_email"


def test_a_name_that_nobody_offers_is_refused_with_the_nearest_ones(shelf: PluginShelf) -> None:
    shelf.put("mail", ONE_TYPE.format(type="send_email"))
    assert shelf.catalog().find("send-mial") is None
    with pytest.raises(UnknownJobType, match=r"^there is no job type 'send-emial'; did you mean send_email\?$"):
        shelf.catalog().type_named("send-emial")
    with pytest.raises(UnknownJobType, match=r"^there is no job type 'xyz'; known are: send_email$"):
        shelf.catalog().type_named("xyz")
    assert str(unknown_type("xyz", [])).endswith("; known are: none")


# --- plugins that cannot be used -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_module", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'; repair"),
        (
            "raise SystemExit(3)",
            "cannot be imported: SystemExit: 3; repair or uninstall it, or leave",
        ),
        ("def", "cannot be imported: SyntaxError: "),
        ("@jobd.job('a', timeout='x')\nasync def work(): ...", "cannot be imported: OptionError: timeout: 'x' is not"),
        ("@jobd.hookimpl\ndef jobd_jobs(): ...", "does not fit: unknown hook 'jobd_jobs' in plugin"),
        ("def jobd_job_types(): return []", "jobd_job_types() is not marked as a hook; put @jobd.hookimpl above it"),
        ("@jobd.hookimpl\nasync def jobd_job_types(): ...", "jobd_job_types() is async; hooks are plain functions"),
        ("@jobd.hookimpl\ndef jobd_job_types(catalog): ...", "does not fit: Plugin 'bad' for hook 'jobd_job_types'"),
        ("@jobd.hookimpl\ndef jobd_job_types(): return 1 / 0", "jobd_job_types() failed: ZeroDivisionError: division"),
        ("@jobd.hookimpl\ndef jobd_job_types():\n yield 1 / 0", "jobd_job_types() failed: ZeroDivisionError: division"),
        ("@jobd.hookimpl\ndef jobd_job_types(): return 5", "jobd_job_types() returned 5; return a list of job types"),
        ("@jobd.hookimpl\ndef jobd_job_types(): return 'x'", "jobd_job_types() returned 'x'; return a list of job"),
        (
            "@jobd.hookimpl\ndef jobd_job_types(): return [print]",
            "jobd_job_types() returned <built-in function print>",
        ),
        ("@jobd.hookimpl\ndef jobd_settings(): return 'name'", "jobd_settings() returned 'name'; return a name and a "),
        ("@jobd.hookimpl\ndef jobd_settings(): return 'ab'", "jobd_settings() returned 'ab'; return a name and a pyd"),
        ("@jobd.hookimpl\ndef jobd_settings(): return 'a', int", "jobd_settings() returned ('a', <class 'int'>); "),
        (
            "import pydantic\n@jobd.hookimpl\ndef jobd_settings(): return 'A', pydantic.BaseModel",
            "settings 'A': use a word of a-z, 0-9 and single '_' or '-' between them",
        ),
        (
            "@jobd.hookimpl\ndef jobd_services(): return [int]",
            "jobd_services() returned [<class 'int'>]; return a ",
        ),
        ("@jobd.hookimpl\ndef jobd_services(): return {5: int}", "service 5: the key of a service is a type or a name"),
        ("@jobd.hookimpl\ndef jobd_services(): return {'a': 5}", "service 'a': 5 cannot be called; give a factory"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_refused_with_its_name_and_the_cure(
    shelf: PluginShelf, source: str, said: str
) -> None:
    shelf.put("bad", source)
    text = refusal(shelf)
    assert text.startswith("plugin 'bad' (of jobd-bad 1.2)")
    assert said in text


def test_an_import_that_is_broken_says_how_to_go_on_without_the_plugin(shelf: PluginShelf) -> None:
    shelf.put("bad", "import no_such_module")
    assert refusal(shelf).endswith("; repair or uninstall it, or leave it out with JOBD_WITHOUT=bad")


def test_an_unknown_hook_is_refused_with_those_there_are(shelf: PluginShelf) -> None:
    shelf.put("bad", "@jobd.hookimpl\ndef jobd_jobs(): ...")
    assert refusal(shelf).endswith(f"; there are the hooks {', '.join(HOOKS)}")


def test_a_function_that_is_not_decorated_is_refused_with_the_cure(shelf: PluginShelf) -> None:
    shelf.put("bad", "def work(): ...\n@jobd.hookimpl\ndef jobd_job_types(): return [work]")
    assert refusal(shelf).endswith("; decorate the function with @jobd.job")


def test_a_handler_that_cannot_be_used_is_refused_with_its_plugin(shelf: PluginShelf) -> None:
    shelf.put("bad", ONE_TYPE.format(type="bad-work").replace("a: int", "a"))
    assert refusal(shelf) == (
        "plugin 'bad' (of jobd-bad 1.2): job type bad-work (shelf_bad.work): parameter 'a' has no type; annotate it"
    )


@pytest.mark.parametrize("other", ["same-work", "same_work"])
def test_two_plugins_with_one_type_are_refused_with_both_of_their_names(shelf: PluginShelf, other: str) -> None:
    shelf.put("one", ONE_TYPE.format(type="same-work"))
    shelf.put("two", ONE_TYPE.format(type=other))
    assert refusal(shelf) == (
        f"job type '{other}' is offered twice, by plugin 'one' (of jobd-one 1.2) and by plugin 'two' (of jobd-two 1.2);"
        " rename one, or leave one of the plugins out with JOBD_WITHOUT=<plugin>"
    )


def test_two_plugins_with_the_same_settings_are_refused(shelf: PluginShelf) -> None:
    for name, settings in (("one", "my-mail"), ("two", "my_mail")):
        shelf.put(
            name,
            f"import pydantic\n@jobd.hookimpl\ndef jobd_settings(): return '{settings}', pydantic.BaseModel",
        )
    assert refusal(shelf) == (
        "plugin 'two' (of jobd-two 1.2): the settings [plugins.my_mail] belong to another plugin already; rename them"
    )


def test_two_plugins_with_one_service_are_refused_with_both_of_their_names(shelf: PluginShelf) -> None:
    for name in ("one", "two"):
        shelf.put(name, "@jobd.hookimpl\ndef jobd_services(): return {'clock': int}")
    assert refusal(shelf) == (
        "plugin 'two' (of jobd-two 1.2): the service 'clock' is offered by plugin 'one' (of jobd-one 1.2) already;"
        " rename it, or leave one of the plugins out"
    )


def test_two_packages_with_one_plugin_are_refused(shelf: PluginShelf) -> None:
    shelf.put("one", "")
    shelf.put("one", "", package="jobd-other", module="shelf_other")
    assert refusal(shelf).endswith(": another plugin has this name, or names the same module; uninstall one of the two")


def test_job_types_may_be_given_without_any_plugin() -> None:
    @jobd.job("alone")
    async def alone(a: int) -> None: ...

    assert list(Catalog([alone]).types) == ["alone"]
    with pytest.raises(PluginError, match=f"offered twice, by {__name__} and by {__name__}"):
        Catalog([alone, alone])


# --- observers -----------------------------------------------------------------------------------------------------


def a_job() -> Job:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    return Job(
        id="one",
        type="work",
        queue="default",
        status=State.COMPLETED,
        data={},
        priority=5,
        attempt=1,
        max_attempts=4,
        deliveries=1,
        timeout_ms=0,
        created_at=now,
        run_at=now,
    )


@pytest.mark.requirement("2.14")
def test_every_observer_is_told_whatever_the_others_do(shelf: PluginShelf) -> None:
    shelf.put("a-good", "seen = []\n@jobd.hookimpl\ndef jobd_job_settled(job): seen.append(job)")
    shelf.put("b-bad", "@jobd.hookimpl\ndef jobd_job_settled(job): raise ValueError(job.id)")
    shelf.put("c-careless", "seen = []\n@jobd.hookimpl\ndef jobd_job_settled(): seen.append(None)")
    catalog = shelf.catalog()
    assert catalog.watches_endings
    with pytest.raises(ExceptionGroup) as caught:
        catalog.settled(a_job())
    assert [repr(error) for error in caught.value.exceptions] == ["ValueError('one')"]
    assert sys.modules["shelf_a_good"].seen == [a_job()]
    assert sys.modules["shelf_c_careless"].seen == [None]


def test_where_nobody_observes_nothing_is_told(shelf: PluginShelf) -> None:
    shelf.put("extra", ONE_TYPE.format(type="extra-work"))
    assert not shelf.catalog().watches_endings
    shelf.catalog().settled(a_job())


def test_finding_plugins_loads_no_http_server() -> None:
    program = "import sys\nfrom jobd.catalog import Catalog\nCatalog.of_installed()\n"
    program += "print([name for name in ('aiohttp', 'uvloop') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
