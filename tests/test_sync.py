"""The sync client: the twin of Client, from any thread, in one process."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import anyio.from_thread
import pytest

import jobd
from jobd.catalog import Catalog
from jobd.client import Client
from jobd.domain.state import State
from jobd.errors import ClientClosed, JobCancelled, JobFailed, JobNotFound, PayloadError, ResultTimeout, SettingsError
from jobd.handle import JobHandle
from jobd.sync import SyncClient, SyncJobHandle
from tests.hand_worker import HandWorker


@jobd.job("add")
async def add(a: int, b: int = 1) -> int:
    """Adds."""
    return a + b


@jobd.job("greet")
async def greet(name: str) -> str:
    """Greets."""
    return f"hello {name}"


CATALOG = Catalog([add, greet])


@pytest.fixture
def client(redis_url: str) -> Iterator[SyncClient]:
    with SyncClient(redis_url, catalog=CATALOG) as client:
        yield client


@pytest.fixture
def worker(redis_url: str) -> Iterator[HandWorker]:
    with HandWorker(redis_url) as worker:
        yield worker


@pytest.mark.requirement("1.1")
def test_a_job_goes_in_and_its_result_comes_out(client: SyncClient, worker: HandWorker) -> None:
    job = client.enqueue(add, {"a": 1, "b": 2}, priority="high", tags=["sum"])
    assert job.status() is State.WAITING
    later = worker.later(worker.take("add"), 3)
    assert job.result(timeout=60) == 3
    later.join()
    assert (job.get().status, job.get().tags) == (State.COMPLETED, ("sum",))


def test_a_wrong_payload_is_refused_with_each_wrong_field(client: SyncClient) -> None:
    with pytest.raises(PayloadError) as refused:
        client.enqueue("add", {"a": "one", "c": 1})
    assert [fault["pointer"] for fault in refused.value.faults] == ["/a", "/c"]
    assert client.queues() == {}


def test_waiting_longer_than_one_wants_to_is_a_timeout(client: SyncClient) -> None:
    job = client.enqueue(add, {"a": 1})
    with pytest.raises(ResultTimeout, match="has not ended within"):
        job.result(timeout=0.05)


def test_a_job_that_failed_says_so_to_whoever_wants_its_result(client: SyncClient, worker: HandWorker) -> None:
    job = client.enqueue(add, {"a": 1})
    worker.fail(worker.take("add"), "ValueError", "no sum today")
    with pytest.raises(JobFailed, match="ValueError: no sum today"):
        job.result(timeout=60)


@pytest.mark.requirement("2.12")
def test_a_job_is_cancelled_and_retried_by_its_handle(client: SyncClient) -> None:
    job = client.enqueue(add, {"a": 1})
    assert job.cancel(reason="changed my mind").reason == "changed my mind"
    with pytest.raises(JobCancelled, match="changed my mind"):
        job.result()
    assert job.retry().status is State.WAITING


def test_many_jobs_go_in_with_one_call(client: SyncClient) -> None:
    jobs = client.enqueue_many(add, [{"a": number} for number in range(700)], queue="sums")
    assert len({job.id for job in jobs}) == 700
    assert client.queues()["sums"][State.WAITING] == 700
    mixed = client.enqueue_many([(add, {"a": 1}), ("greet", {"name": "Ada"})])
    assert [job.type for job in mixed] == ["add", "greet"]


def test_jobs_are_listed_looked_up_and_their_logs_read(client: SyncClient, worker: HandWorker) -> None:
    job = client.enqueue(greet, {"name": "Ada"}, id="greeting-1")
    delivery = worker.take("greet")
    worker.log(delivery, "info", "hello", name="Ada")
    assert [found.id for found in client.list(status="running", type="greet").jobs] == ["greeting-1"]
    assert [line.text for line in client.logs(job.id)] == ["hello"]
    assert client.progress(job.id) is None
    worker.progress(delivery, done=1, total=4)
    assert (said := client.progress(job.id)) is not None
    assert said.percent == 25
    assert [member.id for member in client.workers()] == [worker.name]
    worker.complete(delivery, "hello Ada")
    assert client.wait(job.id, timeout=60).result == "hello Ada"
    with pytest.raises(JobNotFound):
        client.get("nobody")


def test_any_number_of_threads_share_one_client(client: SyncClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda number: client.enqueue(add, {"a": number}), range(200)))
    assert len({job.id for job in jobs}) == 200
    assert client.queues()["default"][State.WAITING] == 200


def test_closing_twice_is_harmless_and_a_closed_client_says_that_it_is(redis_url: str) -> None:
    client = SyncClient(redis_url, catalog=CATALOG)
    client.enqueue(add, {"a": 1})
    before = {thread.name for thread in threading.enumerate()}
    client.close()
    client.close()
    assert "jobd client" in before
    assert "jobd client" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(ClientClosed, match="make a new one"):
        client.queues()


def test_a_client_that_was_never_used_closes_without_having_connected() -> None:
    SyncClient("redis://nowhere.invalid:1").close()


def test_closing_wakes_those_who_wait(client: SyncClient) -> None:
    job = client.enqueue(add, {"a": 1})
    waits = threading.Event()
    outcomes: list[BaseException] = []

    def wait() -> None:
        waits.set()
        try:
            job.result()
        except ClientClosed as error:
            outcomes.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    waits.wait()
    client.close()
    waiter.join(timeout=60)
    assert len(outcomes) == 1


def test_a_url_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(SettingsError, match="redis://"):
        SyncClient("http://localhost")


FORKING = """
import os, sys, warnings
warnings.simplefilter("ignore")
from jobd import SyncClient
from jobd.errors import ClientClosed

url, opened = sys.argv[1], sys.argv[2] == "opened"
client = SyncClient(url)
if opened:
    client.queues()
child = os.fork()
if child == 0:
    try:
        client.queues()
        print("worked")
    except ClientClosed as error:
        print("refused", "after the fork" in str(error))
    client.close()
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
client.queues()
client.close()
print("parent goes on")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize(("state", "said"), [("opened", "refused True"), ("unopened", "worked")])
def test_a_forked_child_is_refused_an_open_client_and_may_open_its_own(redis_url: str, state: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING, redis_url, state], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.splitlines() == [said, "parent goes on"], done.stderr


def test_a_program_that_forgets_to_close_ends_all_the_same(redis_url: str) -> None:
    program = "import sys; from jobd import SyncClient; print(SyncClient(sys.argv[1]).queues() is not None)"
    done = subprocess.run(
        [sys.executable, "-c", program, redis_url], capture_output=True, text=True, timeout=120, check=True
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


INTERRUPTED = """
import os, signal, sys, threading
import anyio, anyio.lowlevel
from jobd.loop_thread import LoopThread

ended = threading.Event()
main = threading.main_thread().ident

def place():  # where the main thread waits for the answer; None if it does not sleep there yet
    frame = sys._current_frames()[main]
    with open(f"/proc/self/task/{os.getpid()}/stat") as stat:
        sleeps = stat.read().rpartition(")")[2].split()[0] == "S"
    return frame.f_lasti if sleeps and frame.f_code.co_name == "wait" else None

async def wait_for_ever():
    # Python forgets a signal that comes just before a thread waits for a lock, until that is released
    before, looks = None, 0
    while looks < 100:
        now = place()
        looks = looks + 1 if now is not None and now == before else 0
        before = now
        await anyio.lowlevel.checkpoint()
    signal.pthread_kill(main, signal.SIGINT)
    try:
        await anyio.sleep_forever()
    finally:
        ended.set()

async def nothing():
    pass

thread = LoopThread("test")
try:
    thread.run(wait_for_ever)
except KeyboardInterrupt:
    print("interrupted", ended.wait(10))
thread.close(nothing)
"""


def test_an_interrupted_call_is_cancelled_in_the_loop() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == ("interrupted True\n", "")


async def test_a_twin_over_a_client_of_another_loop_leaves_it_open(redis_url: str) -> None:
    async with Client(redis_url, catalog=CATALOG) as client:

        def in_a_thread() -> str:
            with SyncClient.over(client, anyio.from_thread.run) as twin:
                return twin.enqueue(add, {"a": 1}).id

        job_id = await anyio.to_thread.run_sync(in_a_thread)
        assert (await client.get(job_id)).status is State.WAITING


LEFT_OUT = {
    *("begin", "carry_on", "change_limits", "change_to", "copy", "enqueue_planned", "filter_of", "intake", "move_to"),
    *("enqueue_once", "long_ago", "now", "observers", "store", "unique_owner_of", "enqueue_dated", "hint_for"),
    *("change_queue_options", "options_of"),
}
"""of Client: what HTTP and the workers do in steps, and no program has to"""


@pytest.mark.parametrize(
    ("twin", "original"), [(SyncClient, Client), (SyncJobHandle, JobHandle)], ids=["client", "handle"]
)
def test_the_twins_have_the_same_names_and_parameters(twin: type, original: type) -> None:
    names = {name for name in dir(original) if not name.startswith("_")} - LEFT_OUT
    assert names - set(dir(twin)) == set()
    for name in names:
        member = getattr(original, name)
        if inspect.isfunction(member):
            same = inspect.signature(getattr(twin, name)).parameters
            assert list(same) == list(inspect.signature(member).parameters), name
    assert list(inspect.signature(SyncClient).parameters) == list(inspect.signature(Client).parameters)


if TYPE_CHECKING:

    def wrong_payloads_are_type_errors(client: SyncClient) -> None:
        """Checked by mypy, which complains about an ignore that is not needed."""
        total: int = client.enqueue(add, {"a": 1}).result()
        wrong: str = client.enqueue(add, {"a": 1}).result()  # type: ignore[assignment]  # the result is a number
        client.enqueue(add, 1)  # type: ignore[misc]  # the payload is an object of fields
        client.enqueue(add, {"a": 1}, prioriti=1)  # type: ignore[call-overload]  # there is no such option
        client.enqueue_many(add, [1])  # type: ignore[misc]  # the payloads are objects of fields
        print(total, wrong)
