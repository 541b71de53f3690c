"""What holds for all files, and for the front door. Who may import whom is checked by import-linter."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jobd
from jobd import hookspecs
from jobd.catalog import HOOKS

ROOT = Path(__file__).parents[1]
HOUSE = sorted([*ROOT.glob("jobd/**/*.py"), *ROOT.glob("plugins/*/jobd_*/**/*.py")])
FILES = sorted(
    [*HOUSE, *ROOT.glob("tests/**/*.py"), *ROOT.glob("plugins/*/tests/**/*.py"), *ROOT.glob("jobd/**/*.lua")]
)
LONGEST = {"jobd": 400, "plugins": 400, "tests": 600}
"""lines of a file, by the folder it is in: a suite of tests may be a little longer than what it tests"""


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_that_grows_too_long_is_split(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    longest = LONGEST[path.relative_to(ROOT).parts[0]]
    assert lines <= longest, f"{named(path)} has {lines} lines; at {longest} a file splits"


def test_every_file_is_named_after_what_it_holds() -> None:
    vague = re.compile(r"(^|_)(utils?|common|helpers?|managers?|misc|base)(_|$)")
    parts = {part for path in FILES for part in path.relative_to(ROOT).with_suffix("").parts}
    assert [part for part in sorted(parts) if vague.search(part)] == []


@pytest.mark.parametrize("path", HOUSE, ids=named)
def test_every_module_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(('"""', "#!")), f"{named(path)} has no docstring"
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_every_silenced_type_error_has_its_reason_beside_it(path: Path) -> None:
    bare = re.compile(r"# type: " r"ignore(?!\[[a-z-]+(, ?[a-z-]+)*\]  # \S)")
    allowed = "[overload-overlap]"  # a block of them has its reason above it
    found = [line.strip() for line in path.read_text().splitlines() if bare.search(line) and allowed not in line]
    assert found == []


# --- the front door ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", jobd.__all__)
def test_every_name_of_the_front_door_leads_somewhere(name: str) -> None:
    value = getattr(jobd, name)
    assert value is getattr(jobd, name)
    assert inspect.getdoc(value)
    assert name in dir(jobd)


def test_the_front_door_has_the_names_of_the_contract_and_no_others() -> None:
    contract = {"job", "JobType", "Context", "Client", "SyncClient", "Backoff", "hookimpl"}
    contract |= {"Retry", "Snooze", "Cancel", "Fail"}
    assert contract <= set(jobd.__all__)
    assert jobd.__all__ == sorted(jobd.__all__)
    with pytest.raises(AttributeError, match="module 'jobd' has no attribute 'nobody'"):
        _ = jobd.nobody


@pytest.mark.parametrize(
    ("statement", "unloaded"),
    [
        ("import jobd", "pydantic redis aiohttp pluggy orjson structlog anyio click"),
        ("import jobd; jobd.Backoff; jobd.Retry; jobd.job", "pydantic redis aiohttp pluggy structlog anyio click"),
        ("import jobd; jobd.hookimpl", "pydantic redis aiohttp structlog anyio click"),
        ("import jobd; jobd.Client", "aiohttp click uvloop structlog"),
        ("import jobd.cli.main", "pydantic redis aiohttp pluggy structlog"),
        ("import jobd.roles.worker.child", "aiohttp click structlog"),
    ],
)
def test_importing_loads_no_more_than_is_needed(statement: str, unloaded: str) -> None:
    program = f"import sys\n{statement}\nprint(*sorted(set({unloaded.split()!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# --- hooks ---------------------------------------------------------------------------------------------------------


def test_there_are_hooks() -> None:
    assert {"jobd_job_types", "jobd_settings", "jobd_services", "jobd_job_settled"} <= set(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_a_docstring_and_nothing_more(hook: str) -> None:
    specification = getattr(hookspecs, hook)
    assert specification.__doc__.strip()
    assert not specification.__code__.co_names
