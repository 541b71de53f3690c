"""Where settings come from, which source wins, and what is said about those that cannot be used."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, SecretStr

from jobd.catalog import Catalog
from jobd.domain.duration import LONGEST_MS, milliseconds, spoken
from jobd.domain.options import DEFAULTS, make_options
from jobd.errors import SettingsError
from jobd.services import fill_settings
from jobd.settings import SETTINGS, Settings, load_settings

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(environment: dict[str, str] | None = None, **flags: Any) -> Settings:
    return load_settings(flags, environment=environment or {})


def refusal(environment: dict[str, str] | None = None, **flags: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(environment, **flags)
    return str(caught.value)


# --- which source wins ---------------------------------------------------------------------------------------------


def test_nothing_given_means_the_defaults() -> None:
    assert settings() == Settings()


def test_flags_win_over_the_environment_and_that_over_the_file_and_that_over_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "jobd.toml").write_text('port = 1\nhost = "1"\nprefix = "one"\n[worker]\nconcurrency = 1\nthreads = 1')
    environment = {"JOBD_PORT": "2", "JOBD_HOST": "2", "JOBD_WORKER__CONCURRENCY": "2"}
    found = settings(environment, port=3, worker={"queues": ["three"]})
    assert (found.port, found.host, found.prefix) == (3, "2", "one")
    assert (found.worker.concurrency, found.worker.threads, found.worker.queues) == (2, 1, ("three",))
    assert found.worker.lease == 20_000


@pytest.mark.parametrize("way", ["flag", "environment"])
def test_another_file_may_be_named(tmp_path: Path, way: str) -> None:
    (tmp_path / "jobd.toml").write_text("port = 1")
    other = tmp_path / "other.toml"
    other.write_text("port = 2\n# ä in UTF-8")
    if way == "flag":
        assert load_settings(environment={}, config=other).port == 2
    else:
        assert settings({"JOBD_CONFIG": str(other)}).port == 2


def test_numbers_in_the_file_are_seconds(tmp_path: Path) -> None:
    (tmp_path / "jobd.toml").write_text('[worker]\ngrace = 2\nlease = 2.5\n[retention]\nfailed_age = "2w"')
    found = settings()
    assert (found.worker.grace, found.worker.lease, found.retention.failed_age) == (2_000, 2_500, 14 * 86_400_000)


# --- what is wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "setting", "said"),
    [
        (
            {"JOBD_WORKER__GRACE": "soon"},
            "worker.grace",
            "'soon' is not a duration; use 2s, 5m, 1h30m or 1d",
        ),
        (
            {"JOBD_WORKER__LEASE": "500ms"},
            "worker.lease",
            "'500ms' is out of range; it must be between 1s and 10 years",
        ),
        ({"JOBD_PORT": "http"}, "port", "Input should be a valid integer"),
        ({"JOBD_PORT": "70000"}, "port", "Input should be less than or equal to 65535"),
        ({"JOBD_WORKER__PROCESSES": "-1"}, "worker.processes", "Input should be greater than or equal to 0; or: "),
        ({"WORKER_COUNT": "few"}, "worker.processes", "Input should be a valid integer"),
        (
            {"JOBD_WORKER__QUEUES": "Mail"},
            "worker.queues",
            "'Mail' cannot name a queue; a name has up to 128 letters a-z, digits",
        ),
        (
            {"JOBD_WORKER__QUEUES": "mail=0"},
            "worker.queues",
            "queue 'mail=0': a weight is a whole number from 1 to 1,000, as in mail=6",
        ),
        (
            {"JOBD_WORKER__QUEUE_ORDER": "random"},
            "worker.queue_order",
            "Input should be 'priority', 'strict', 'weighted' or 'round-robin'",
        ),
        (
            {"JOBD_WORKER__QUEUE_ORDER": "strict"},
            "worker.queue_order",
            "'strict' is an order of queues that are named; name them in worker.queues",
        ),
        ({"JOBD_LOG__LEVEL": "loud"}, "log.level", "Input should be 'debug', 'info', 'warning' or 'error'"),
        ({"JOBD_REDIS_URL": "localhost"}, "redis_url", "a Redis URL starts with redis://, rediss:// (TLS)"),
        ({"REDIS_URL": "http://localhost"}, "redis_url", "a Redis URL starts with redis://"),
        ({"REDIS_HOST": "a", "REDIS_PORT": "b"}, "redis_url", "this is not a URL with a host and the number of a port"),
        ({"REDIS_DB": "main"}, "redis_url", "a Redis URL ends in the number of a database, such as /0"),
        ({"JOBD_WORKER__GRASE": "1"}, "worker.grase", "there is no such setting; did you mean worker.grace?"),
        ({"JOBD_WROKER__GRACE": "1"}, "wroker", "there is no such setting; did you mean worker?"),
        ({"JOBD_PLUGINS__EMAIL": "x"}, "plugins.email", "Input should be a valid dictionary"),
    ],
)
def test_a_wrong_value_is_refused_with_the_setting_its_origin_and_what_is_allowed(
    environment: dict[str, str], setting: str, said: str
) -> None:
    assert refusal(environment).startswith(f"{setting} (from {', '.join(environment)}): {said}")


@pytest.mark.parametrize(
    ("queues", "order", "said"),
    [
        ("a,b=2", "strict", "worker.queues has a weight, 'b=2', and weights are for the order 'weighted'"),
        ("a,b=2", "priority", "worker.queues has a weight, 'b=2', and weights are for the order 'weighted'"),
        ("a=3,b,a", "weighted", "worker.queues names 'a' twice, so its place in the order is not clear"),
    ],
)
def test_queues_that_do_not_fit_their_order_are_refused(queues: str, order: str, said: str) -> None:
    environment = {"JOBD_WORKER__QUEUES": queues, "JOBD_WORKER__QUEUE_ORDER": order}
    assert refusal(environment) == f"worker.queue_order (from JOBD_WORKER__QUEUE_ORDER): {said}"


def test_weights_without_an_order_are_refused_too() -> None:
    assert "weights are for the order 'weighted'" in refusal({"JOBD_WORKER__QUEUES": "a=2"})


def test_queues_with_weights_are_known_by_their_names() -> None:
    worker = settings({"JOBD_WORKER__QUEUES": "a=6, b", "JOBD_WORKER__QUEUE_ORDER": "Weighted"}).worker
    assert (worker.queue_names, worker.order_of(lambda: 0.5).next()) == (["a", "b"], "a b")


def test_the_file_and_the_command_line_are_named_as_origins(tmp_path: Path) -> None:
    (tmp_path / "jobd.toml").write_text('worker = 5\nport = "x"')
    said = refusal(host="")
    assert "worker (from jobd.toml): this is a section, which has settings of its own" in said
    assert "port (from jobd.toml): Input should be a valid integer" in said
    assert "host (from the command line): String should have at least 1 character" in said


def test_the_origin_is_the_source_that_won(tmp_path: Path) -> None:
    (tmp_path / "jobd.toml").write_text('port = 1\nplugins.email.host = "x"')
    said = refusal({"JOBD_PORT": "x", "JOBD_PLUGINS__EMAIL__PORT": "1"}, prefix="X")
    assert "port (from JOBD_PORT): " in said
    assert "prefix (from the command line): " in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"port = ", "jobd.toml: this is not TOML: "),
        (b'host = "\xff"', "jobd.toml: this is not TOML: "),
        (b"[wroker]\ngrace = 1", "wroker (from jobd.toml): there is no such setting; did you mean worker?"),
        (b"worker.grase = 1", "worker.grase (from jobd.toml): there is no such setting; did you mean worker.grace?"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "jobd.toml").write_bytes(content)
    assert refusal().startswith(said)


def test_a_file_that_is_named_and_not_there_is_refused() -> None:
    assert refusal({"JOBD_CONFIG": "no/such.toml"}) == (
        "no/such.toml: the configuration file cannot be read: No such file or directory"
    )


# --- secrets -------------------------------------------------------------------------------------------------------

CANARY = "canary-5f2b"


@pytest.mark.threat("S42")
@pytest.mark.parametrize(
    "environment",
    [
        {"JOBD_REDIS_URL": f"redis//:{CANARY}@host"},
        {"JOBD_REDIS_URL": f"redis://:{CANARY}@host:port"},
        {"JOBD_REDIS_URL": f"redis://:{CANARY}@host/main"},
        {"JOBD_REDIS_URL": f"redis://:{CANARY}@ho\u2100st"},
        {"REDIS_PASSWORD": CANARY, "REDIS_PORT": "x"},
        {"JOBD_HTTP__TOKEN__MORE": CANARY},
        {"JOBD_TOKEN": CANARY, "JOBD_PORT": "x"},
        {"JOBD_PLUGINS__EMAIL": CANARY},
        {"JOBD_PLUGINS__EMAIL__PASSWORD": CANARY, "JOBD_PORT": "x"},
    ],
)
def test_no_error_repeats_a_secret(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(environment)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.threat("S42")
def test_no_setting_shows_its_secret() -> None:
    found = settings(
        {
            "JOBD_REDIS_URL": f"redis://:{CANARY}@host/0",
            "JOBD_TOKEN": CANARY,
            "JOBD_PLUGINS__EMAIL__PASSWORD": CANARY,
        }
    )
    assert found.redis_url == f"redis://:{CANARY}@host/0"
    assert CANARY not in repr(found)
    assert CANARY not in str(found)
    assert CANARY not in repr(found.http)


def test_a_child_that_is_given_something_wrong_does_not_show_it() -> None:
    with pytest.raises(ValueError, match="port") as caught:
        Settings.model_validate({"redis_url": f"x://{CANARY}", "port": CANARY})
    assert CANARY not in str(caught.value)


# --- children, plugins, the file with all of them ------------------------------------------------------------------

durations = st.integers(1_000, LONGEST_MS)


@given(durations, durations, st.sampled_from([0, 1, 8, "auto"]), st.none() | st.just("redis://:p@host/1"))
def test_what_is_handed_to_a_child_is_what_the_parent_has(
    grace: int, lease: int, processes: int | str, url: str | None
) -> None:
    parent = settings(
        {"JOBD_PLUGINS__EMAIL__PASSWORD": "p", "JOBD_TOKEN": "t"},
        worker={
            "grace": spoken(grace),
            "lease": spoken(lease),
            "processes": processes,
            "queues": ["a=2"],
            "queue_order": "weighted",
        },
        queues={"mail": {"retries": 7, "timeout": "5m"}},
        **({"redis_url": url} if url else {}),
    )
    child = Settings.model_validate(parent.model_dump(mode="json", exclude={"http"}))
    assert child == parent.model_copy(update={"http": Settings().http})
    assert (child.worker.grace, child.worker.lease) == (grace, lease)
    assert child.plugins == {"email": {"password": "p"}}
    assert child.levels.below("mail") == make_options(retries=7, timeout="5m").over(DEFAULTS)


class MailSettings(BaseModel):
    model_config = ConfigDict(extra="ignore")

    host: str | None = None
    port: int = 25
    password: SecretStr | None = None


def with_mail_plugin(name: str = "mail") -> Catalog:
    catalog = Catalog()
    catalog.settings_models[name] = MailSettings
    return catalog


@pytest.mark.parametrize("name", ["mail", "my-mail", "my_mail"])
def test_a_plugin_gets_its_settings_from_the_environment(name: str) -> None:
    prefix = f"JOBD_PLUGINS__{name.replace('-', '_').upper()}__"
    given = settings({f"{prefix}HOST": "smtp", f"{prefix}PORT": "465", f"{prefix}PASSWORD": CANARY}).plugins
    ((model, filled),) = fill_settings(with_mail_plugin(name), given)
    assert model is MailSettings
    assert filled == MailSettings(host="smtp", port=465, password=SecretStr(CANARY))


def test_a_plugin_gets_its_settings_from_the_file_and_the_environment(tmp_path: Path) -> None:
    (tmp_path / "jobd.toml").write_text('[plugins.mail]\nhost = "one"\nport = 1')
    given = settings({"JOBD_PLUGINS__MAIL__PORT": "2"}).plugins
    assert fill_settings(with_mail_plugin(), given)[0][1] == MailSettings(host="one", port=2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mail": {"prot": 1}}, r"^\[plugins\.mail\] prot \(or JOBD_PLUGINS__MAIL__PROT\): there is no such setting$"),
        ({"mail": {"port": CANARY}}, r"^\[plugins\.mail\] port \(or JOBD_PLUGINS__MAIL__PORT\): Input should be a"),
        ({"mial": {}}, r"^\[plugins\.mial\]: no installed plugin has .* name; did you mean \[plugins\.mail\]\?$"),
        ({"xyz": {}}, r"^\[plugins\.xyz\]: no installed plugin has settings of this name; there are: mail$"),
    ],
)
def test_wrong_settings_of_a_plugin_are_refused_with_both_of_their_names(
    given: dict[str, dict[str, Any]], said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        fill_settings(with_mail_plugin(), given)
    assert CANARY not in str(caught.value)


def test_the_file_in_config_has_every_setting_with_its_default_and_a_comment() -> None:
    text = (ROOT / "config" / "jobd.toml").read_text()
    active = tomllib.loads(text)
    unset = re.sub(r"^# (\w+ = \S+ +#)", r"\1", text, flags=re.MULTILINE)
    named = {
        (*above, name)
        for above, section in [((), tomllib.loads(unset)), *(((k,), v) for k, v in tomllib.loads(unset).items())]
        if isinstance(section, dict)
        for name, value in section.items()
        if not isinstance(value, dict)
    }
    assert named | {("plugins",), ("queues",)} == SETTINGS
    assert Settings.model_validate(active) == Settings()
    for path in SETTINGS - {("plugins",), ("queues",)}:
        here: Any = Settings()
        given: Any = active
        for part in path:
            here, given = getattr(here, part), given.get(part, {})
        assert (given == {}) == (here is None or path == ("data_dir",)), f"{path} is given iff it has a fixed default"
    for line in re.sub(r"^#.*\n", "", unset, flags=re.MULTILINE).splitlines():
        assert not re.match(r"\w+ =", line) or re.search(r" # \S", line), f"no comment: {line}"


def test_durations_in_the_file_in_config_are_written_for_people() -> None:
    active = tomllib.loads((ROOT / "config" / "jobd.toml").read_text())
    for value in (active["worker"]["lease"], active["worker"]["grace"], active["retention"]["failed_age"]):
        assert spoken(milliseconds(value)) == value
