from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

import jobd
from jobd.domain.backoff import Backoff
from jobd.domain.jobtype import JobType
from jobd.domain.options import NONE, Options
from jobd.errors import OptionError, PluginError


class Note(BaseModel):
    text: str


@jobd.job(
    "send-note",
    queue="notes",
    priority="high",
    max_attempts=5,
    backoff=jobd.Backoff.exponential("2s"),
    timeout="60s",
    tags=["a"],
)
async def send_note(ctx: jobd.Context, note: Note) -> int:
    """Sends a note.

    With more words below.
    """
    return len(note.text)


def test_a_decorated_function_is_a_job_type() -> None:
    assert isinstance(send_note, JobType)
    assert send_note.name == "send-note"
    assert send_note.is_async
    assert send_note.description == "Sends a note.\n\nWith more words below."
    assert send_note.options == Options(
        queue="notes", priority=3, max_attempts=5, backoff=Backoff.exponential("2s"), timeout_ms=60_000, tags=("a",)
    )
    assert (send_note.__name__, send_note.__module__) == ("send_note", __name__)
    assert repr(send_note) == f"<job type send-note of {__name__}>"


async def test_it_can_be_called_as_the_function_it_was() -> None:
    context: Any = None
    assert await send_note(context, Note(text="abc")) == 3


def test_an_option_that_is_not_allowed_is_refused_where_it_stands() -> None:
    with pytest.raises(OptionError, match=r"^timeout: 'long' is not a duration"):
        jobd.job("send-note", timeout="long")


@pytest.mark.parametrize("name", ["Send Note", "", "jobs"])
def test_a_name_that_is_not_allowed_is_refused(name: str) -> None:
    with pytest.raises(OptionError, match=f"^job type '{name}'"):
        jobd.job(name)(send_note.handler)


def test_what_is_no_function_is_refused() -> None:
    handler: Any = 5
    with pytest.raises(OptionError, match=r"^job type 'five': 5 is not a function"):
        JobType("five", handler, NONE)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rate": "5/1s", "rate_weight": 9}, "rate_weight: it is 9, and its rate lets 5 through at a time: 5/1s"),
        ({"services": [5]}, "services: 5 is neither a type nor a name"),
        ({"services": "mailer"}, "services: give a list of types or names, not 'mailer'"),
        ({"services": 5}, "services: give a list of types or names, not 5"),
    ],
)
def test_what_no_job_of_a_type_could_have_is_refused_where_it_is_declared(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=f"^{re.escape(said)}$"):
        jobd.job("odd", **options)


def test_a_signature_is_read_on_first_use_and_not_before() -> None:
    @jobd.job("later")
    async def later(note: Later) -> None: ...

    with pytest.raises(PluginError, match="name 'Later' is not defined"):
        _ = later.shape
    globals()["Later"] = Note
    assert later.shape.model is Note


if TYPE_CHECKING:
    Later = Note


def test_a_module_of_job_types_is_imported_without_pydantic() -> None:
    program = """
import sys, jobd
@jobd.job("plain", queue="q", backoff="2s", timeout="1m")
async def plain(ctx: "jobd.Context", a: int) -> int: ...
print([name for name in ("pydantic", "redis", "aiohttp") if name in sys.modules])
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
