"""The life of the program: what runs from the first check to the exit code."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

import anyio

from jobd import log
from jobd.actors.supervisor import Supervisor
from jobd.catalog import Catalog
from jobd.errors import JobdError, SettingsError
from jobd.garbage import look_less
from jobd.house import House, report
from jobd.services import fill_settings
from jobd.settings import Settings
from jobd.welcome import welcome

ROLES = ("api", "scheduler", "worker", "monitor")
"""as people name them; `House.actors` has the order of their start"""
_STEP_LIMIT_S = 20.0
"""for a step of the way down that should take no time; more than the embedded server's own limit"""
_LAST_WAIT_S = 1.0


def run(settings: Settings, roles: Sequence[str] = ()) -> int:
    """Runs `roles` (none named: all) until a signal asks to stop. Returns the exit code: 0 after a clean stop, 1
    after a fault of ours. Raises JobdError if it cannot start or go on. Ends the process hard when a part of it does
    not end in time."""
    unknown = set(roles) - set(ROLES)
    if unknown:
        raise SettingsError(f"role {min(unknown)!r}: there are {', '.join(sorted(ROLES))}")
    log.configure(settings.log.level, settings.log.format)
    chosen = [role for role in ROLES if role in roles or not roles]
    options = {"use_uvloop": sys.platform != "win32"}
    code = anyio.run(_main, settings, chosen, backend="asyncio", backend_options=options)
    if any(not thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate()):
        _leave_hard(code)
    return code


def _leave_hard(code: int) -> NoReturn:
    """Ends the process without waiting for what does not end, as a normal exit would."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _main(settings: Settings, roles: Sequence[str]) -> int:
    """The exit code."""
    speaker = log.get("jobd")
    # a plugin that cannot be used is said before anything is started
    catalog = Catalog.of_installed(without=settings.without)
    if "worker" in roles:
        fill_settings(catalog, settings.plugins)
    if "api" in roles:
        check_door(settings)
    supervisor = Supervisor(report=report, last_wait=_STEP_LIMIT_S)
    house = House(settings, roles, catalog, supervisor)
    code, failure = 0, None
    try:
        await supervisor.run(house.actors(), grace=settings.worker.grace / 1_000, on_ready=lambda: _ready(house))
    except JobdError as error:
        failure = error
        code = 1
    except Exception as error:  # noqa: BLE001  the last resort: said with all that is known, and the exit code tells
        speaker.error("jobd ends", exc_info=error)
        code = 1
    finally:
        await house.close()
    stubborn = supervisor.shutdown.stubborn if supervisor.shutdown else ()
    if stubborn:
        speaker.error("some parts did not end in time", parts=stubborn)
        code = 1
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        _, left = await asyncio.wait(left, timeout=_LAST_WAIT_S)
    if left:
        # handlers that swallow their cancellation: their jobs were given back
        speaker.warning("tasks that do not end are left behind", tasks=[task.get_name() for task in left])
    if stubborn or left:
        if failure is not None:
            speaker.error(str(failure))
        _leave_hard(code)
    if failure is not None:
        raise failure
    return code


def _ready(house: House) -> None:
    worker = house.settings.worker
    look_less(jobs=worker.concurrency if worker.processes == 0 else 0)
    welcome(house)


def check_door(settings: Settings) -> None:
    """Complains of a token that may be guessed. Raises SettingsError if the API may not be served at this address
    without one."""
    from jobd.http.auth import SHORTEST_TOKEN, Guard

    token = settings.http.token
    if Guard(settings.host, token.get_secret_value() if token is not None else None).is_guessable:
        log.get("api").warning(
            f"http.token is shorter than {SHORTEST_TOKEN} characters, and whoever reaches this address may find it by "
            "trying; set JOBD_TOKEN to what `openssl rand -hex 32` says",
            host=settings.host,
        )
