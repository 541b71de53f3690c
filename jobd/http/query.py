"""The query of a request that changes something: it says nothing that nobody hears."""

from __future__ import annotations

from aiohttp import web

from jobd.http.refusals import BadRequest


def check_query(request: web.Request, *known: str) -> None:
    """Raises BadRequest with each parameter that is not known. `?dry_run=true`, which belongs into the body,
    would remove what it was to count if it were left unheard."""
    if not request.rel_url.raw_query_string:
        return
    if unknown := [name for name in dict.fromkeys(request.query) if name not in known]:
        message = f"there is no such parameter; {_hint(request.method, known)}"
        faults = [{"parameter": name, "code": "unknown_parameter", "message": message} for name in unknown]
        raise BadRequest(f"the query cannot be used: {', '.join(unknown)}: {message}", faults)


def yes_in_query(request: web.Request, name: str) -> bool:
    """True or false; false if it is not there. Raises BadRequest for anything else."""
    said = request.query.get(name, "false")
    if said not in ("true", "false"):
        message = f"{said!r} is neither true nor false"
        fault = {"parameter": name, "code": "invalid", "message": message}
        raise BadRequest(f"the query cannot be used: {name}: {message}", [fault])
    return said == "true"


def _hint(method: str, known: tuple[str, ...]) -> str:
    if known:
        return f"there is {', '.join(known)}"
    return "there are none here" if method == "DELETE" else "there are none here, say it in the body"
