"""Each option, said in a running jobd in every way there is: decorator, configuration, at run time and for one job, in
Python, over HTTP and on the command line. Who says it wins over those below, which say something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Protocol
from urllib.request import Request, urlopen

import orjson
import pytest
from click.testing import CliRunner
from redis import Redis

import jobd
from jobd.catalog import Catalog
from jobd.cli.main import jobd as command_line
from jobd.domain.delivery import Delivery
from jobd.domain.options import DEFAULTS, ROWS
from jobd.domain.outcome import Ending, Outcome
from jobd.roles.verdicts import Verdicts
from jobd.settings import load_settings
from jobd.store.codec import IN_HEAD, Spec, unpack_spec
from tests.acceptance.program import Program
from tests.cli.packages import Packages
from tests.option_samples import ALL, DECLARED, JOB, SAMPLES, SET, TYPE, flags, may_say, said
from tests.servers.tcp_server import TcpServer
from tests.servers.wait import wait

BASE = "{jobd:0}:"
BESIDE = {"rate_key": 'rate="5/1m", '}
"""what a type says with an option that alone says nothing"""


class Way(Protocol):
    """A way to speak to jobd."""

    def enqueue(self, type_name: str, number: int, queue: str | None, keyword: str | None) -> str:
        """Enqueues a job, perhaps with an option, and returns its id."""

    def set(self, queue: str, keyword: str) -> None:
        """Says an option for the jobs of a queue."""

    def reset(self, queue: str) -> None:
        """Takes that back."""


class Python:
    def __init__(self, house: House) -> None:
        self._client = house.client

    def enqueue(self, type_name: str, number: int, queue: str | None, keyword: str | None) -> str:
        options: dict[str, Any] = {"queue": queue} if queue else {}
        options |= {keyword: said(keyword, JOB).python} if keyword else {}
        return self._client.enqueue(type_name, {"n": number}, **options).id

    def set(self, queue: str, keyword: str) -> None:
        self._client.set_queue_options(queue, **{keyword: said(keyword, SET).python})

    def reset(self, queue: str) -> None:
        self._client.reset_queue_options(queue)


class Http:
    def __init__(self, house: House) -> None:
        self._api = house.api

    def enqueue(self, type_name: str, number: int, queue: str | None, keyword: str | None) -> str:
        body = {"type": type_name, "data": {"n": number}, **({"queue": queue} if queue else {})}
        body |= {ROWS[keyword].wire: said(keyword, JOB).json} if keyword else {}
        job_id: str = self._ask("POST", "/api/v1/jobs", body)["id"]
        return job_id

    def set(self, queue: str, keyword: str) -> None:
        self._ask("PATCH", f"/api/v1/queues/{queue}/options", {ROWS[keyword].wire: said(keyword, SET).json})

    def reset(self, queue: str) -> None:
        self._ask("DELETE", f"/api/v1/queues/{queue}/options")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else orjson.dumps(body)
        request = Request(self._api + path, data, {"Content-Type": "application/json"}, method=method)
        with urlopen(request, timeout=60) as answer:
            return orjson.loads(answer.read())


class CommandLine:
    def __init__(self, house: House) -> None:
        self._environment = house.environment

    def enqueue(self, type_name: str, number: int, queue: str | None, keyword: str | None) -> str:
        words = [*(["--queue", queue] if queue else []), *(flags(keyword, said(keyword, JOB).words) if keyword else [])]
        job_id: str = orjson.loads(self._run("enqueue", type_name, f"n:={number}", *words, "-o", "json"))["id"]
        return job_id

    def set(self, queue: str, keyword: str) -> None:
        self._run("queues", "set", queue, *flags(keyword, said(keyword, SET).words))

    def reset(self, queue: str) -> None:
        self._run("queues", "unset", queue)

    def _run(self, *words: str) -> str:
        result = CliRunner(env=self._environment).invoke(command_line, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout


class House:
    """A jobd that runs, with an API and a worker that makes its types known and serves nobody, on a server with a
    replica. Use as a context manager."""

    def __init__(self, folder: Path, server_binary: Path) -> None:
        self._stack = ExitStack()
        self._folder = folder
        self._binary = server_binary
        self._number = 0

    def __enter__(self) -> House:
        with self._stack as stack:
            primary = stack.enter_context(TcpServer(self._binary))
            replica = stack.enter_context(TcpServer(self._binary, f"replicaof 127.0.0.1 {primary.port}"))
            with replica.client() as client:
                wait(lambda: client.info("replication")["master_link_status"] == "up")
            self._redis: Redis = stack.enter_context(primary.client())
            packages = Packages(self._folder / "site")
            packages.install("jobd-said", "[jobd]\nsaid = jobd_said\n", plugin())
            config = self._folder / "jobd.toml"
            config.write_text(configuration())
            self.environment = {"JOBD_REDIS_URL": f"redis://{primary.place}/0", "JOBD_CONFIG": str(config)}
            program = Program(
                self._folder,
                *("--role", "api", "--role", "worker", "--processes", "0", "--queue", "nobody", "--port", "0"),
                environment={**self.environment, "PYTHONPATH": f"{packages.folder}:{Path(jobd.__file__).parents[1]}"},
            )
            stack.enter_context(program)
            self.api = program.line("API").removesuffix("/api/v1/jobs")
            self.settings = load_settings(environment=self.environment)
            self.catalog = types_in(packages.folder / "jobd_said.py")
            self.client = jobd.SyncClient(settings=self.settings, catalog=self.catalog)
            stack.callback(self.client.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def made(
        self, way: Way, keyword: str, *, says_type: bool = False, says_job: bool = False, queue: bool = True
    ) -> Any:
        """What becomes of an option in a job that is enqueued so."""
        self._number += 1
        self._redis.delete(f"{BASE}barrier")
        job_id = way.enqueue(
            f"says-{keyword}".replace("_", "-") if says_type else "says-nothing",
            self._number,
            queue_of(keyword) if queue and keyword != "queue" else None,
            keyword if says_job else None,
        )
        raw = self._redis.hget(f"{BASE}jobs", job_id)
        assert isinstance(raw, bytes)
        spec, replicated = unpack_spec(raw), bool(self._redis.exists(f"{BASE}barrier"))
        self.client.remove(job_id)  # and what it has that is unique
        if keyword == "durability":
            return "replica" if replicated else "server"
        if keyword == "backoff":
            return self._pause(spec)
        return getattr(spec.options, ROWS[keyword].field) or None

    def _pause(self, spec: Spec) -> int:
        packed = orjson.dumps({**spec.beside, **spec.options.to_record(IN_HEAD)})
        rest: dict[str, Any] = {"created_ms": 0, "attempt": 1, "deliveries": 1, "crashes": 0, "suspect": False}
        delivery = Delivery(
            "id", spec.type, spec.options.queue or "", b"{}", packed, 5, 9, 0, **rest, fence=1, started_ms=0, holder="w"
        )
        return Verdicts(self.catalog, self.settings.levels).on(delivery, Outcome(Ending.RAISED)).delay_ms


def queue_of(keyword: str) -> str:
    """The queue of which the configuration says this option."""
    return f"of-{keyword}".replace("_", "-")


def plugin() -> str:
    types = ["@jobd.job('says-nothing')\nasync def says_nothing(n: int = 0) -> None: ..."]
    for keyword in SAMPLES:
        if may_say(keyword, TYPE):
            options = f"{BESIDE.get(keyword, '')}{keyword}=SAID[{keyword!r}]"
            types.append(f"@jobd.job('says-{keyword}', {options})\nasync def says_{keyword}(n: int = 0) -> None: ...")
    names = ", ".join(["says_nothing", *(f"says_{keyword}" for keyword in SAMPLES if may_say(keyword, TYPE))])
    return "\n".join(
        [
            "import jobd",
            "from tests.option_samples import SAMPLES, TYPE, may_say, said",
            "SAID = {keyword: said(keyword, TYPE).python for keyword in SAMPLES if may_say(keyword, TYPE)}",
            *types,
            f"@jobd.hookimpl\ndef jobd_job_types():\n    return [{names}]",
        ]
    )


def configuration() -> str:
    lines = []
    for keyword in SAMPLES:
        if may_say(keyword, DECLARED):
            lines += [f"[queues.{queue_of(keyword)}]", f"{keyword} = {said(keyword, DECLARED).toml}"]
    lines.append("[defaults]")
    # it says the same as the other, and one of both can be said
    lines += [f"{name} = {said(name, ALL).toml}" for name in SAMPLES if may_say(name, ALL) and name != "max_attempts"]
    return "\n".join(lines)


def types_in(path: Path) -> Catalog:
    """What a program knows that imports the plugin."""
    found = spec_from_file_location("jobd_said", path)
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return Catalog(module.jobd_job_types())


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, server_binary: Path) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("options"), server_binary) as house:
        yield house


@pytest.fixture(params=[Python, Http, CommandLine], ids=["python", "http", "command line"])
def way(request: pytest.FixtureRequest, house: House) -> Way:
    made: Way = request.param(house)
    return made


def meant(keyword: str, place: int) -> Any:
    """What is to become of an option that is said there."""
    told = said("retries" if (keyword, place) == ("max_attempts", ALL) else keyword, place).meant
    if keyword != "backoff":
        return told or None
    return told.delay_ms(1, 0.0)


@pytest.mark.parametrize("keyword", SAMPLES)
def test_an_option_holds_wherever_and_however_it_is_said_over_those_below(house: House, way: Way, keyword: str) -> None:
    usual = meant(keyword, ALL) if may_say(keyword, ALL) else getattr(DEFAULTS, ROWS[keyword].field)
    assert house.made(way, keyword, queue=False) == usual
    if may_say(keyword, DECLARED):
        assert house.made(way, keyword) == meant(keyword, DECLARED)
    if may_say(keyword, SET):
        way.set(queue_of(keyword), keyword)
        assert house.made(way, keyword) == meant(keyword, SET)
    if may_say(keyword, TYPE):
        assert house.made(way, keyword, says_type=True) == meant(keyword, TYPE)
    assert house.made(way, keyword, says_type=may_say(keyword, TYPE), says_job=True) == meant(keyword, JOB)
    if may_say(keyword, SET):
        way.reset(queue_of(keyword))
        assert house.made(way, keyword) == meant(keyword, DECLARED)
