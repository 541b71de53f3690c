"""Lists of jobs: the query is read whole, and each wrong parameter is named."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from hashlib import blake2s
from typing import Any, Final, cast

from aiohttp import web

from jobd.control.filters import JobFilter
from jobd.domain.calendar import FIRST_YEAR, LAST_YEAR, parse_time
from jobd.domain.plain_json import from_json
from jobd.domain.rendering import page_to_json
from jobd.domain.state import parse_states
from jobd.errors import FieldFault, InvalidRequest
from jobd.http.answer import answer
from jobd.http.queues import actual_name
from jobd.http.refusals import BadRequest
from jobd.http.service import client_of
from jobd.store.queries import MOST_ON_PAGE

USUAL_LIMIT: Final = 50
_SEAL_BYTES: Final = 6


async def list_jobs(request: web.Request) -> web.Response:
    """A page of jobs: by type, status, queue and date, in the order that `Client.list` gives."""
    client = client_of(request)
    wanted = _read_query(request.query)
    limit = wanted.setdefault("limit", USUAL_LIMIT)
    question = repr(sorted((name, value) for name, value in wanted.items() if name not in ("limit", "cursor")))
    if "cursor" in wanted:
        wanted["cursor"] = _opened(wanted["cursor"], question)
    if "queue" in wanted:
        wanted["queue"] = await actual_name(client, wanted["queue"])
    page = await client.list(**wanted)
    cursor = _sealed(page.cursor, question) if page.cursor else None
    body = page_to_json(page.jobs, limit=limit, cursor=cursor, scanned=page.scanned, complete=page.complete)
    headers = {"Link": f'<{request.rel_url.update_query(cursor=cursor)}>; rel="next"'} if cursor else None
    return answer(body, headers=headers)


def _read_query(query: Any) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    faults = []
    for name in dict.fromkeys(query):
        values = query.getall(name)
        try:
            if name.startswith("metadata."):
                wanted.setdefault("metadata", {})[name.removeprefix("metadata.")] = _fact(values)
                continue
            if name not in _READERS:
                raise ValueError(_unknown(name))
            if len(values) > 1 and name not in ("status", "tag", "tags"):
                raise ValueError("this is given twice")
            wanted["tags" if name == "tag" else name] = _READERS[name](values)
        except (ValueError, InvalidRequest) as error:
            known = name in _READERS or name.startswith("metadata.")
            code = "invalid" if known else "unknown_parameter"
            faults.append({"parameter": name, "code": code, "message": str(error)})
    if faults:
        said = "; ".join(f"{fault['parameter']}: {fault['message']}" for fault in faults)
        raise BadRequest(f"the query cannot be used: {said}", faults)
    return wanted


def read_filter(said: Mapping[str, Any]) -> JobFilter:
    """Which jobs a body means, in the words of the query; `status` and `tags` may be lists, `metadata` is an object.
    Raises InvalidRequest with the pointer of each wrong field."""
    which: dict[str, Any] = {}
    faults: list[FieldFault] = []
    for name, value in said.items():
        try:
            if name == "metadata" and isinstance(value, dict):
                which[name] = value
            elif name not in _READERS or name in ("limit", "cursor"):
                raise ValueError("there is no such field")
            else:
                words = value if isinstance(value, list) else [value]
                if not words or not all(isinstance(word, str) for word in words):
                    raise ValueError("this is not a text")
                which["tags" if name == "tag" else name] = _READERS[name](words)
        except (ValueError, InvalidRequest) as error:
            faults.append(FieldFault(pointer=f"/filter/{name}", code="invalid", message=str(error)))
    if faults:
        raise InvalidRequest(f"{faults[0]['pointer']}: {faults[0]['message']}", faults)
    return cast("JobFilter", which)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), _READERS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_READERS)}"
    return f"there is no such parameter; {hint}"


def _text(values: Sequence[str]) -> str:
    if not values[0]:
        raise ValueError("this is empty")
    return values[0]


def _words(values: Sequence[str]) -> list[str]:
    words = [word for value in values for word in value.split(",")]
    for word in words:
        parse_states(word)
    return words


def _fact(values: Sequence[str]) -> Any:
    """A value of the metadata: JSON where it is, else a text."""
    if len(values) > 1:
        raise ValueError("this is given twice")
    value = from_json(values[0].encode())
    return values[0] if value is None else value


def _tags(values: Sequence[str]) -> list[str]:
    return [_text([word]) for value in values for word in value.split(",")]


def _day(values: Sequence[str]) -> date:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", values[0], re.ASCII):
        raise ValueError("this is not a day, such as 2026-11-22")
    try:
        day = date.fromisoformat(values[0])
    except ValueError:
        raise ValueError("there is no such day") from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"the year must lie between {FIRST_YEAR} and {LAST_YEAR}")
    return day


def _time(values: Sequence[str]) -> datetime:
    # an unescaped "+" of a zone arrives as a space
    return parse_time(re.sub(r" (\d\d:\d\d)$", r"+\1", values[0]))


def _limit(values: Sequence[str]) -> int:
    if not re.fullmatch(r"\d{1,9}", values[0], re.ASCII) or not 1 <= int(values[0]) <= MOST_ON_PAGE:
        raise ValueError(f"this is not a number from 1 to {MOST_ON_PAGE}")
    return int(values[0])


_READERS: Final[Mapping[str, Callable[[Sequence[str]], Any]]] = {
    "type": _text,
    "status": _words,
    "queue": _text,
    "date": _day,
    "created_after": _time,
    "created_before": _time,
    "finished_before": _time,
    "tag": _tags,
    "tags": _tags,
    "limit": _limit,
    "cursor": _text,
}


def _sealed(cursor: str, question: str) -> str:
    """A cursor that tells when it is used with another question, or was changed."""
    return f"{_seal(cursor, question)}{cursor}"


def _opened(sealed: str, question: str) -> str:
    seal, cursor = sealed[: 2 * _SEAL_BYTES], sealed[2 * _SEAL_BYTES :]
    if seal != _seal(cursor, question):
        message = "this cursor belongs to another list; start again without one"
        fault = {"parameter": "cursor", "code": "cursor_mismatch", "message": message}
        raise BadRequest(f"cursor: {message}", [fault])
    return cursor


def _seal(cursor: str, question: str) -> str:
    return blake2s(f"{question} {cursor}".encode(errors="surrogatepass"), digest_size=_SEAL_BYTES).hexdigest()
