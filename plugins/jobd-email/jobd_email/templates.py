"""The templates of mails: files of an administrator, rendered in a child process that may be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import jobd
from jobd_email.settings import EmailSettings
from jobd_email.words import Words

_PROGRAM = Path(__file__).with_name("rendering.py")
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""what the child needs of ours; it gets nothing else, least of all passwords"""
LONGEST_ANSWER = 64 * 1024 * 1024
"""bytes; more than three files of the child's ceiling can make"""


class Templates:
    """Renders templates, one at a time. The child starts with the first one and is replaced when it has been killed."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._child: Process | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end_child()

    async def render(self, name: str, data: Mapping[str, Any], *, subject: str | None = None) -> Words:
        """What the template says; `subject` goes before its own. Raises jobd.Fail if it cannot be rendered."""
        if self._directory is None:
            raise jobd.Fail(
                f"there is no template {name}: set [plugins.email] template_dir"
                " (or JOBD_PLUGINS__EMAIL__TEMPLATE_DIR) to the directory of your templates"
            )
        async with self._turn:
            answer = await self._ask(self._directory, json.dumps({"name": name, "data": data}).encode())
        if "fault" in answer:
            raise jobd.Fail(str(answer["fault"]))
        subject = answer["subject"] if subject is None else subject
        if subject is None:
            raise jobd.Fail(f"the mail has no subject: give one, or add {name}.subject to the directory of templates")
        return Words(subject=subject, text=answer["text"], html=answer["html"])

    async def _ask(self, directory: Path, question: bytes) -> dict[str, str | None]:
        child = self._child
        if child is None or child.returncode is not None:
            child = self._child = await _start_child(directory)
        assert child.stdin is not None and child.stdout is not None  # noqa: PT018, S101 - they were asked for
        try:
            child.stdin.write(question + b"\n")
            await child.stdin.drain()
            answer = await child.stdout.readline()
        except ConnectionError:
            answer = b""
        except BaseException:
            # This job was cancelled; an answer that comes now must not be taken for the next one's.
            await self._end_child()
            raise
        if answer.endswith(b"\n"):
            parts: dict[str, str | None] = json.loads(answer)
            return parts
        if await child.wait() == -signal.SIGALRM:
            raise jobd.Fail("the template took longer than 2 s to render")
        raise jobd.Retry(f"the process that renders templates ended with {child.returncode}")

    async def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            child.kill()
            await child.wait()


async def _start_child(directory: Path) -> Process:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    program = (sys.executable, "-P", str(_PROGRAM), str(directory))
    return await asyncio.create_subprocess_exec(
        *program, stdin=PIPE, stdout=PIPE, env=environment, limit=LONGEST_ANSWER
    )


@asynccontextmanager
async def templates(settings: EmailSettings) -> AsyncIterator[Templates]:
    """The service: templates of the directory that the settings name."""
    async with Templates(settings.template_dir) as made:
        yield made
