"""The program of the child process that renders templates. It is run by its path and knows nothing of jobd.

Each line it reads is a JSON object with the `name` of a template and its `data`; each line it writes is one with
`subject`, `text` and `html` (null where there is no such file), or with `fault`. It ends when its input ends.

A template may loop for ever or grow without bound, so this process limits itself: a timer that kills it, a ceiling on
its memory, a ceiling on what one file may render to.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import traceback
from typing import Any, Final

from jinja2 import FileSystemLoader, StrictUndefined, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment

SECONDS: Final = 2.0
MEMORY: Final = 96 * 1024 * 1024
LONGEST: Final = 1_000_000
PARTS: Final = {"subject": ".subject", "text": ".txt", "html": ".html"}


class Fault(Exception):
    """A template that cannot be rendered; the message says why."""


def environment(directory: str) -> ImmutableSandboxedEnvironment:
    """Where templates live: files of one directory, no extensions, HTML escaped, an unknown variable is an error."""
    made = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(directory),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
    )
    for name in ("cycler", "joiner", "lipsum"):
        del made.globals[name]
    return made


def render(templates: ImmutableSandboxedEnvironment, name: str, data: dict[str, Any]) -> dict[str, str | None]:
    """The parts of one template. Raises Fault."""
    parts = {part: _render_file(templates, name + suffix, data) for part, suffix in PARTS.items()}
    if parts["text"] is None and parts["html"] is None:
        raise Fault(f"there is no template {name}: neither {name}.txt nor {name}.html is in the directory of templates")
    return parts


def _render_file(templates: ImmutableSandboxedEnvironment, file: str, data: dict[str, Any]) -> str | None:
    written: list[str] = []
    length = 0
    try:
        for piece in templates.get_template(file).generate(data):
            written.append(piece)
            length += len(piece)
            if length > LONGEST:
                raise Fault(f"template {file} renders to more than {LONGEST} characters")
    except Fault:
        raise
    except TemplateNotFound as error:
        if error.name == file:
            return None
        raise Fault(f"template {file} asks for {error.name}, which is not there") from error
    except Exception as error:  # whatever a template raises is told
        raise Fault(f"template {file}{_line(error, file)}: {type(error).__name__}: {error}") from error
    return "".join(written)


def _line(error: Exception, file: str) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(file)]
    return f", line {lines[-1]}" if lines else ""


def main(directory: str) -> None:
    # The parent decides when this ends, by closing the pipe; signals to the whole group are its business.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    templates = environment(directory)
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            answer: dict[str, str | None] = render(templates, **json.loads(line))
        except Fault as fault:
            answer = {"fault": str(fault)[:1_000]}
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
