"""A process for the tests of the embedded server: it runs one as `jobd run` would and says what happens, a line of JSON
each. It stops when its standard input ends."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import anyio.to_thread
import uvloop

from jobd.store.embedded import EmbeddedServer


def say(event: str, facts: dict[str, object]) -> None:
    os.write(1, json.dumps([event, facts]).encode() + b"\n")


async def main(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir, on_event=say)
    await server.start()
    await anyio.to_thread.run_sync(sys.stdin.read)
    await server.stop()


with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main(Path(sys.argv[1])))
