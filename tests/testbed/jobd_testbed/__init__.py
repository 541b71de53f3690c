"""Job types that jobd's own tests and benchmarks run: each shows one way in which a job may behave."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import ctypes
import os
import resource
import time
from pathlib import Path
from signal import SIG_DFL, Signals, getsignal
from typing import Any

from pydantic import BaseModel

import jobd
from jobd_testbed.journal import Journal


class Note(BaseModel):
    """A payload with one of each: text, number, and something optional."""

    text: str
    count: int = 1


class Entry(BaseModel):
    """Where a handler writes down that it ran, outside jobd."""

    journal: Path
    key: str
    seconds: float = 0.0


class Greeter:
    """A service that is opened and closed with the worker."""

    def __init__(self, settings: TestbedSettings) -> None:
        self.settings = settings
        self.count = 0

    def greet(self, name: str) -> str:
        self.count += 1
        return f"{self.settings.greeting}, {name}"


class TestbedSettings(BaseModel):
    """`[plugins.testbed]`."""

    __test__ = False  # the name starts like a test's
    greeting: str = "hello"


@jobd.job("noop")
async def noop(ctx: jobd.Context, note: Note) -> None:
    """Does nothing."""


@jobd.job("noop-sync")
def noop_sync(note: Note) -> None:
    """Does nothing, in a thread."""


@jobd.job("clock")
async def clock() -> float:
    """Returns when it began, by the clock that all processes of a machine share, in seconds."""
    return time.perf_counter()


@jobd.job("echo")
async def echo(ctx: jobd.Context, note: Note) -> Note:
    """Returns its payload."""
    return note


@jobd.job("add")
async def add(a: int, b: int = 1) -> int:
    """Plain typed parameters."""
    return a + b


@jobd.job("write", queue="writing", max_attempts=3, backoff="50ms")
async def write(ctx: jobd.Context, entry: Entry) -> int:
    """Writes its start and its end into a journal, with some sleep between."""
    with Journal(entry.journal) as journal:
        journal.write("start", entry.key, ctx.attempt, ctx.fence)
        await asyncio.sleep(entry.seconds)
        journal.write("end", entry.key, ctx.attempt, ctx.fence)
    return ctx.attempt


@jobd.job("write-sync", queue="writing", max_attempts=3)
def write_sync(ctx: jobd.SyncContext, entry: Entry) -> int:
    """The same in a thread; looks now and then whether it should end."""
    with Journal(entry.journal) as journal:
        journal.write("start", entry.key, ctx.attempt, ctx.fence)
        end = time.monotonic() + entry.seconds
        while time.monotonic() < end and not ctx.cancelled:
            time.sleep(0.01)
        journal.write("told" if ctx.cancelled else "end", entry.key, ctx.attempt, ctx.fence)
    return ctx.attempt


@jobd.job("fail", max_attempts=3, backoff="20ms")
async def fail(ctx: jobd.Context, times: int, message: str = "as asked") -> int:
    """Fails the first `times` attempts."""
    if ctx.attempt <= times:
        raise ValueError(message)
    return ctx.attempt


@jobd.job("signal", backoff="20ms")
async def signal(ctx: jobd.Context, what: str) -> str:
    """Ends its first attempt in the way it is told."""
    if ctx.job.deliveries > 1:
        return f"{what} was attempt {ctx.attempt}"
    match what:
        case "retry":
            raise jobd.Retry("once more", after="30ms")
        case "snooze":
            raise jobd.Snooze("later", after="30ms")
        case "cancel":
            raise jobd.Cancel("no more")
        case "fail":
            raise jobd.Fail("for good")
        case "exit":
            raise SystemExit(3)
        case "nothing":
            raise asyncio.CancelledError
        case "interrupt":
            raise KeyboardInterrupt
    return what


@jobd.job("signal-sync", backoff="20ms")
def signal_sync(ctx: jobd.SyncContext, what: str) -> str:
    """The same in a thread."""
    if ctx.job.deliveries > 1:
        return f"{what} was attempt {ctx.attempt}"
    match what:
        case "retry":
            raise jobd.Retry("once more", after="30ms")
        case "exit":
            raise SystemExit(3)
        case "nothing":
            raise asyncio.CancelledError
        case "interrupt":
            raise KeyboardInterrupt
        case "stop":
            next(iter(()))
    return what


@jobd.job("talk", timeout="20s")
async def talk(ctx: jobd.Context, lines: int) -> list[str]:
    """Says a lot: progress, log lines, a heartbeat."""
    for number in range(lines):
        await ctx.progress(number + 1, lines, f"line {number + 1}")
        ctx.log.info("working", number=number)
    await ctx.heartbeat()
    return [ctx.job.id, str(ctx.last_attempt)]


@jobd.job("talk-sync", services=[Greeter])
def talk_sync(ctx: jobd.SyncContext, lines: int) -> int:
    """The same from a thread."""
    for number in range(lines):
        ctx.progress(number + 1, lines)
        ctx.log.info("working", number=number)
    ctx.enqueue(echo, Note(text="from a thread"), id=f"child-of-{ctx.job.id}")
    return ctx.service(Greeter).count


@jobd.job("spawn", max_attempts=2, backoff="20ms")
async def spawn(ctx: jobd.Context, children: int, fail_first: bool = False) -> list[str]:
    """Enqueues jobs that become real when it is completed."""
    handles = [await ctx.enqueue(echo, Note(text=f"child {number}")) for number in range(children)]
    if fail_first and ctx.attempt == 1:
        raise RuntimeError("after enqueuing")
    return [handle.id for handle in handles]


@jobd.job("slow", timeout="100ms", max_attempts=1)
async def slow(ctx: jobd.Context, seconds: float, stubborn: bool = False) -> str:
    """Runs longer than it may."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        if not stubborn:
            raise
    return "done all the same"


@jobd.job("deaf", max_attempts=3)
async def deaf(ctx: jobd.Context, entry: Entry) -> None:
    """Heeds no cancellation."""
    with Journal(entry.journal) as journal:
        journal.write("start", entry.key, ctx.attempt, ctx.fence)
        end = time.monotonic() + entry.seconds
        while time.monotonic() < end:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(end - time.monotonic())
        journal.write("end", entry.key, ctx.attempt, ctx.fence)


_tenant = contextvars.ContextVar("tenant", default="nobody")


@jobd.job("tenant")
async def tenant(name: str) -> str:
    """Returns the context variable that it finds, and sets it."""
    found = _tenant.get()
    _tenant.set(name)
    await asyncio.sleep(0)
    return found


@jobd.job("crash")
async def crash(ctx: jobd.Context, how: str = "exit") -> None:
    """Takes its process down."""
    os.kill(os.getpid(), 9) if how == "kill" else os._exit(13)


@jobd.job("block")
async def block(seconds: float) -> None:
    """Blocks the loop of its process."""
    time.sleep(seconds)  # noqa: ASYNC251  that is what it is for


@jobd.job("hog")
def hog(seconds: float, journal: Path | None = None) -> None:
    """Lets no other thread of its process run."""
    if journal is not None:
        with Journal(journal) as open_journal:
            open_journal.write("start", "hog", 1, os.getpid())
    ctypes.PyDLL(None).usleep(round(seconds * 1e6))  # called so, a C function keeps the interpreter's lock


@jobd.job("segfault", isolation="process", max_attempts=1)
async def segfault() -> None:
    """Touches memory that is not there."""
    ctypes.string_at(0)


@jobd.job("gobble")
async def gobble(size: int) -> int:
    """Allocates without end, up to an end."""
    held = []
    while sum(map(len, held)) < size:
        held.append(b"x" * 10_000_000)
    return len(held)


@jobd.job("spin")
def spin(seconds: float) -> None:
    """Uses CPU time, and looks at nothing."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@jobd.job("tidy-up")
def tidy_up(entry: Entry) -> None:
    """Writes down how it was ended."""
    with Journal(entry.journal) as journal:
        try:
            journal.write("start", entry.key, 1, os.getpid())
            end = time.monotonic() + entry.seconds
            while time.monotonic() < end:
                time.sleep(0.01)
        except BaseException as error:
            journal.write(type(error).__name__, entry.key, 1, os.getpid())
            raise


@jobd.job("leave-behind")
async def leave_behind(entry: Entry) -> int:
    """Starts a process that would outlive it."""
    process = await asyncio.create_subprocess_exec("sleep", str(entry.seconds))
    with Journal(entry.journal) as journal:
        journal.write("start", entry.key, 1, process.pid)
    return process.pid


@jobd.job("wait-for-child")
async def wait_for_child(entry: Entry) -> None:
    """Starts a process, and waits for its end."""
    process = await asyncio.create_subprocess_exec("sleep", str(entry.seconds))
    with Journal(entry.journal) as journal:
        journal.write("start", entry.key, 1, process.pid)
    await process.wait()


def _ends_by(number: Signals) -> bool:
    return getsignal(number) is SIG_DFL


@jobd.job("look-around")
def look_around() -> dict[str, Any]:
    """What a handler can see of its process."""
    descriptors = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one with which the folder was read
            descriptors.append(str(link.readlink()))
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    return {
        "environment": dict(os.environ),
        "descriptors": descriptors,
        "pid": os.getpid(),
        "parent": os.getppid(),
        "limits": {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in ("AS", "CPU", "CORE")},
        "ends_by": [number.name for number in (Signals.SIGINT, Signals.SIGTERM) if _ends_by(number)],
        "goes_first": int(Path("/proc/self/oom_score_adj").read_text()),
        "no_new_rights": status["NoNewPrivs"] == "1",
    }


@jobd.job("read-itself")
async def read_itself(ctx: jobd.Context) -> list[str]:
    """Asks for what only the store knows, in two ways."""
    job = await ctx.read()
    try:
        await ctx.client.get(job.id)
    except jobd.JobdError as error:
        return [job.id, job.status, "use ctx.enqueue" if "use ctx.enqueue" in str(error) else str(error)]
    return [job.id, job.status, "it was let in"]


@jobd.job("length-together", batch=10)
async def length_together(ctx: list[jobd.Context], notes: list[Note]) -> list[int]:
    """A batch."""
    return [len(note.text) * 1_000_000 + os.getpid() for note in notes]


@jobd.job("bad-result")
async def bad_result(ctx: jobd.Context) -> int:
    """Returns what is no JSON of its result type."""
    return object()  # type: ignore[return-value]  # that is what it is for


@jobd.job("greet", services=[Greeter])
async def greet(ctx: jobd.Context, name: str) -> str:
    """Uses a service."""
    return ctx.service(Greeter).greet(name)


@jobd.hookimpl
def jobd_job_types() -> list[jobd.JobType[Any, Any]]:
    return [
        noop,
        noop_sync,
        clock,
        echo,
        add,
        write,
        write_sync,
        fail,
        signal,
        signal_sync,
        deaf,
        tenant,
        talk,
        talk_sync,
        spawn,
        slow,
        crash,
        block,
        hog,
        segfault,
        gobble,
        spin,
        tidy_up,
        leave_behind,
        wait_for_child,
        look_around,
        length_together,
        read_itself,
        bad_result,
        greet,
    ]


@jobd.hookimpl
def jobd_settings() -> tuple[str, type[BaseModel]]:
    return "testbed", TestbedSettings


@jobd.hookimpl
def jobd_services() -> dict[type | str, Any]:
    return {Greeter: open_greeter}


def open_greeter(settings: TestbedSettings) -> Greeter:
    return Greeter(settings)
