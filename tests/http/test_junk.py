"""What must not be taken in: each kind is refused by name, nothing is enqueued, and the server goes on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import JSON, Api

BIG = 2 * 1024 * 1024
DEEP = 10_000

NOT_JSON: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty"),
    "words": (b"hello", "not JSON"),
    "half": (b'{"type": "anything"', "not JSON"),
    "a byte order mark": (b'\xef\xbb\xbf{"type":"anything"}', "byte order mark"),
    "not UTF-8": (b'{"type":"anything","data":{"value":"\xff"}}', "UTF-8"),
    "NUL bytes": (b"\x00\x00\x00", "not JSON"),
    "NUL in a text": (b'{"type":"any\x00thing"}', "control character"),
    "a lone surrogate": (b'{"type":"anything","data":{"value":"\\ud800"}}', "surrogate"),
    "a leading zero": (b'{"type":"anything","data":{"value":01}}', "zero"),
    "two values": (b'{"type":"anything"}{}', "not JSON"),
}

REFUSED_TEXT: dict[str, tuple[bytes, str, str]] = {
    "depth in lists": (
        b'{"type":"anything","data":{"value":' + b"[" * DEEP + b"]" * DEEP + b"}}",
        "/data/value" + "/0" * 30,
        "too_deep",
    ),
    "depth in objects": (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "/a" * 32, "too_deep"),
    "depth without an end": (b"[" * DEEP, "/0" * 32, "too_deep"),
    "a depth of 33": (b"[" * 33 + b"]" * 33, "/0" * 32, "too_deep"),
    "a huge integer": (
        b'{"type":"anything","data":{"value":[1,' + b"9" * 30 + b"]}}",
        "/data/value/1",
        "integer_too_large",
    ),
    "one too much for 64 bits": (
        b'{"type":"anything","data":{"value":18446744073709551616}}',
        "/data/value",
        "integer_too_large",
    ),
    "one too little for 64 bits": (
        b'{"type":"anything","data":{"value":-9223372036854775809}}',
        "/data/value",
        "integer_too_large",
    ),
    "an endless integer": (b'{"type":"anything","priority":' + b"1" * 100_000 + b"}", "/priority", "number_too_long"),
    "an endless fraction": (b'{"data":{"value":0.' + b"1" * 1_000 + b"}}", "/data/value", "number_too_long"),
    "a number beyond all": (b'{"data":{"value":1e999}}', "/data/value", "number_too_large"),
    "NaN": (b'{"type":"anything","data":{"value":NaN}}', "/data/value", "not_a_number"),
    "Infinity": (b'{"type":"anything","data":{"value":-Infinity}}', "/data/value", "not_a_number"),
    "a key twice": (b'{"type":"anything","data":{"a/b":1,"a\\u002fb":2}}', "/data/a~1b", "duplicate_key"),
    "NUL in a key": (b'{"type":"anything","data":{"a\\u0000":1}}', "/data/a\0", "nul_in_name"),
}

WRONG_FIELDS: dict[str, tuple[Any, list[str]]] = {
    "a list": ([], [""]),
    "a text": ("anything", [""]),
    "null": (b"null", [""]),
    "no type": ({}, ["/type"]),
    "a number for a type": ({"type": 5}, ["/type"]),
    "an unknown type": ({"type": "no-such-thing"}, ["/type"]),
    "an impossible type": ({"type": "../etc", "queue": "q"}, ["/type"]),
    "NUL in the type": ({"type": "anything\0", "queue": "q"}, ["/type"]),
    "a reserved word for a type": ({"type": "stats", "queue": "q"}, ["/type"]),
    "an unknown field": ({"type": "anything", "datta": {}}, ["/datta"]),
    "two unknown fields": ({"type": "anything", "a~b": 1, "c/d": 2}, ["/a~0b", "/c~1d"]),
    "the words of another system": ({"type": "anything", "payload": {}}, ["/payload"]),
    "a list for data": ({"type": "send-letter", "data": []}, ["/data"]),
    "a text for data": ({"type": "made-elsewhere", "queue": "q", "data": "x"}, ["/data"]),
    "wrong fields in data": (
        {"type": "send-letter", "data": {"to": 7, "extra": True}},
        ["/data/to", "/data/subject", "/data/extra"],
    ),
    "a wrong plain parameter": ({"type": "add_up", "data": {"a": "x", "b": 2}}, ["/data/a"]),
    "an impossible queue": ({"type": "anything", "queue": "No Such"}, ["/queue"]),
    "NUL in the queue": ({"type": "anything", "queue": "q\0"}, ["/queue"]),
    "a number for a queue": ({"type": "anything", "queue": 7}, ["/queue"]),
    "a priority of 11": ({"type": "anything", "priority": 11}, ["/priority"]),
    "a fraction of a priority": ({"type": "anything", "priority": 1.5}, ["/priority"]),
    "true for a priority": ({"type": "anything", "priority": True}, ["/priority"]),
    "a list for a priority": ({"type": "anything", "priority": [1]}, ["/priority"]),
    "a negative delay": ({"type": "anything", "delay_ms": -1}, ["/delay_ms"]),
    "a delay for ever": ({"type": "anything", "delay_ms": 2**63}, ["/delay_ms"]),
    "a fraction of a delay": ({"type": "anything", "delay_ms": 1.5}, ["/delay_ms"]),
    "true for a delay": ({"type": "anything", "delay_ms": True}, ["/delay_ms"]),
    "a word for a delay": ({"type": "anything", "delay_ms": "soon"}, ["/delay_ms"]),
    "a time without a zone": ({"type": "anything", "run_at": "2030-01-01T00:00:00"}, ["/run_at"]),
    "a number for a time": ({"type": "anything", "run_at": 1_900_000_000}, ["/run_at"]),
    "a day that never was": ({"type": "anything", "run_at": "2030-02-30T00:00:00Z"}, ["/run_at"]),
    "the end of time": ({"type": "anything", "run_at": "9999-12-31T23:59:59.9999Z"}, ["/run_at"]),
    "the beginning of time": ({"type": "anything", "run_at": "0001-01-01T00:00:00+23:59"}, ["/run_at"]),
    "delay and time": (
        {"type": "anything", "delay_ms": 5, "run_at": "2030-01-01T00:00:00Z"},
        ["/run_at"],
    ),
    "attempts and retries": ({"type": "anything", "max_attempts": 5, "retries": 4}, ["/retries"]),
    "no attempts": ({"type": "anything", "max_attempts": 0}, ["/max_attempts"]),
    "a huge number of attempts": ({"type": "anything", "max_attempts": 2**63}, ["/max_attempts"]),
    "a text for retries": ({"type": "anything", "retries": "3"}, ["/retries"]),
    "a number for a backoff": ({"type": "anything", "backoff": 5}, ["/backoff"]),
    "an unknown backoff": ({"type": "anything", "backoff": {"kind": "odd"}}, ["/backoff"]),
    "an unknown field of a backoff": ({"type": "anything", "backoff": {"base": 5}}, ["/backoff"]),
    "a list in a backoff": ({"type": "anything", "backoff": {"kind": [], "jitter": []}}, ["/backoff"]),
    "a huge base of a backoff": ({"type": "anything", "backoff": {"base_ms": 2**63}}, ["/backoff"]),
    "a negative timeout": ({"type": "anything", "timeout_ms": -5}, ["/timeout_ms"]),
    "an object for a timeout": ({"type": "anything", "timeout_ms": {}}, ["/timeout_ms"]),
    "a text for tags": ({"type": "anything", "tags": "red"}, ["/tags"]),
    "objects in tags": ({"type": "anything", "tags": [{}, []]}, ["/tags"]),
    "NUL in a tag": ({"type": "anything", "tags": ["red\0"]}, ["/tags"]),
    "33 tags": ({"type": "anything", "tags": [str(number) for number in range(33)]}, ["/tags"]),
    "a list for metadata": ({"type": "anything", "metadata": []}, ["/metadata"]),
    "too much metadata": ({"type": "anything", "metadata": {"a": "x" * 70_000}}, ["/metadata"]),
    "a number for an id": ({"type": "anything", "id": 7}, ["/id"]),
    "an impossible id": ({"type": "anything", "id": "a/b"}, ["/id"]),
    "NUL in an id": ({"type": "anything", "id": "a\0"}, ["/id"]),
    "a reserved word for an id": ({"type": "anything", "id": "stats"}, ["/id"]),
    "an id like ours": ({"type": "anything", "id": "01M80TBM6S00TQZ1SKX0SB1CM2"}, ["/id"]),
    "much that is wrong": (
        {"type": None, "queue": "?", "priority": 0, "tags": 5, "run_at": "x", "retries": -1},
        ["/queue", "/priority", "/tags", "/run_at", "/retries", "/type"],
    ),
}


async def nothing_happened(api: Api) -> None:
    """No job was made, and the server takes the next one."""
    assert (await api.get("/api/v1/queues")).body["data"] == []
    assert (await api.post("/api/v1/jobs", {"type": "anything"})).status == 201


@pytest.mark.requirement("4.8")
@pytest.mark.parametrize("kind", NOT_JSON)
async def test_what_is_not_json_is_refused_with_the_place_where_it_breaks(api: Api, kind: str) -> None:
    text, word = NOT_JSON[kind]
    reply = await api.ask("POST", "/api/v1/jobs", text, JSON)

    assert (reply.status, reply.body["code"]) == (400, "bad_request")
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert word in reply.body["detail"]
    await nothing_happened(api)


@pytest.mark.threat("S11")
@pytest.mark.requirement("4.8")
@pytest.mark.parametrize("kind", REFUSED_TEXT)
async def test_json_that_would_hurt_or_lose_something_is_refused_with_its_place(api: Api, kind: str) -> None:
    text, pointer, code = REFUSED_TEXT[kind]
    reply = await api.ask("POST", "/api/v1/jobs", text, JSON)

    assert (reply.status, reply.headers["Content-Type"]) == (400, "application/problem+json")
    assert [(fault["pointer"], fault["code"]) for fault in reply.body["errors"]] == [(pointer, code)]
    await nothing_happened(api)


@pytest.mark.requirement("4.8")
@pytest.mark.parametrize("kind", WRONG_FIELDS)
async def test_each_wrong_field_is_named_by_a_pointer(api: Api, kind: str) -> None:
    body, pointers = WRONG_FIELDS[kind]
    reply = await api.post("/api/v1/jobs", body)

    assert (reply.status, reply.headers["Content-Type"]) == (422, "application/problem+json")
    assert reply.pointers == pointers
    for fault in reply.body["errors"]:
        assert fault["message"]
        assert fault["code"]
        name = fault["pointer"].removeprefix("/").removesuffix("_ms")
        assert not fault["message"].startswith((f"{name}:", f"{name} '", f"{name}.", "job type")), (
            "the pointer names it"
        )
    await nothing_happened(api)


async def test_an_unknown_type_is_refused_with_the_name_that_was_perhaps_meant(api: Api) -> None:
    reply = await api.post("/api/v1/jobs", {"type": "send_leter", "data": {}})

    assert (reply.status, reply.body["code"]) == (422, "unknown_type")
    assert "did you mean send-letter?" in reply.body["detail"]


@pytest.mark.threat("S17")
@pytest.mark.parametrize(("given", "meant"), [("payload", "data"), ("runAt", "run_at"), ("delay", "delay_ms")])
async def test_an_unknown_field_is_refused_with_the_name_that_was_perhaps_meant(
    api: Api, given: str, meant: str
) -> None:
    reply = await api.post("/api/v1/jobs", {"type": "anything", given: {}})

    assert reply.body["errors"][0]["message"] == f"there is no such field; did you mean '{meant}'?"


@pytest.mark.threat("S9")
@pytest.mark.requirement("4.8")
@pytest.mark.parametrize("chunked", [False, True])
async def test_two_megabytes_are_refused(api: Api, chunked: bool) -> None:
    text = b'{"type":"anything","data":{"value":"' + b"x" * BIG + b'"}}'
    if chunked:
        reply = await api.stream("/api/v1/jobs", [text[at : at + 65_536] for at in range(0, len(text), 65_536)])
    else:
        reply = await api.ask("POST", "/api/v1/jobs", text, JSON)

    assert (reply.status, reply.body["code"]) == (413, "payload_too_large")
    assert reply.headers["Content-Type"] == "application/problem+json"
    await nothing_happened(api)


async def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(api: Api) -> None:
    head, tail = b'{"type":"anything","data":{"value":"', b'"}}'
    fits = head + b"x" * (1_048_576 - len(head) - len(tail)) + tail

    assert (await api.ask("POST", "/api/v1/jobs", b" " + fits, JSON)).status == 413
    assert (await api.ask("POST", "/api/v1/jobs", fits, JSON)).status == 201


@pytest.mark.threat("S6")
@pytest.mark.requirement("4.8")
@pytest.mark.parametrize("path", ["/api/v1/jobs", "/jobs", "/api/v1/jobs/batch", "/api/v1/jobs/x/cancel"])
@pytest.mark.parametrize(
    "said",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ""},
    ],
)
async def test_a_body_that_is_not_declared_as_json_is_refused(api: Api, path: str, said: dict[str, str]) -> None:
    reply = await api.ask("POST", path, b'{"type":"anything"}', said)

    assert (reply.status, reply.body["code"]) == (415, "unsupported_media_type")
    await nothing_happened(api)


@pytest.mark.parametrize("form", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
async def test_an_empty_form_changes_nothing(api: Api, form: str) -> None:
    await api.enqueue(id="one")

    assert (await api.ask("POST", "/api/v1/jobs/one/cancel", b"", {"Content-Type": form})).status == 415
    assert (await api.get("/api/v1/jobs/one/status")).body["status"] == "waiting"


@pytest.mark.parametrize("said", ["application/json; charset=UTF-8", "application/vnd.acme+json", "APPLICATION/JSON"])
async def test_other_ways_to_say_json_are_understood(api: Api, said: str) -> None:
    assert (await api.ask("POST", "/api/v1/jobs", b'{"type":"anything"}', {"Content-Type": said})).status == 201


async def test_a_payload_with_a_thousand_faults_is_answered_with_the_first_hundred(api: Api) -> None:
    body = {"type": "send-letter", "data": {"to": "a", "subject": "b", **{f"f{number}": 1 for number in range(1_000)}}}
    reply = await api.post("/api/v1/jobs", body)

    assert reply.status == 422
    assert len(reply.body["errors"]) == 100


@pytest.mark.threat("S9")
async def test_no_answer_is_much_longer_than_its_request_deserves(api: Api) -> None:
    long = "x" * 500_000

    for body in ({"type": long}, {"type": "anything", long: 1}, {"type": "anything", "priority": long}):
        reply = await api.post("/api/v1/jobs", body)
        assert reply.status == 422
        assert len(reply.text) < 10_000
