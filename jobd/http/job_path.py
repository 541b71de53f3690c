"""The job that a path names."""

from __future__ import annotations

from aiohttp import web

from jobd.domain.names import check_chosen_id
from jobd.errors import JobNotFound, OptionError


def id_of(request: web.Request) -> str:
    """The id in the path. Raises JobNotFound for what cannot be one."""
    job_id = request.match_info["id"]
    try:
        return check_chosen_id(job_id)
    except OptionError:
        raise JobNotFound(f"there is no job {job_id!r}: an id does not look like that") from None
