"""From what callers ask for to what the store takes in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from pydantic import BaseModel, SecretStr

import jobd
from jobd import clock
from jobd.catalog import Catalog
from jobd.domain.backoff import Backoff
from jobd.domain.ids import is_made_id, made_at_ms, new_id
from jobd.domain.levels import Levels
from jobd.domain.options import NONE, Options, from_record, make_options
from jobd.errors import InvalidRequest, OptionError, PayloadError, UnknownJobType
from jobd.intake import LARGEST_PAYLOAD, Intake, Request, told_facts
from jobd.store.store import Store


class Note(BaseModel):
    text: str
    token: SecretStr | None = None


@jobd.job("send_note", queue="notes", priority="high", max_attempts=7, backoff="5s", timeout="1m", tags=["typed"])
async def send_note(note: Note) -> None:
    """Sends a note.

    In some way.
    """


@jobd.job("plain")
async def plain(a: int = 0) -> None: ...


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    store = Store.at(redis_url)
    yield store
    await store.close()


@pytest.fixture
def intake(store: Store) -> Intake:
    return Intake(store, Catalog([send_note, plain]))


async def planned(intake: Intake, wanted: Any, payload: object = None, id: str | None = None, **options: Any) -> Any:
    (plan,) = await intake.plan([Request(wanted, payload, make_options(**options), id)])
    return plan


async def stored(store: Store, intake: Intake, *arguments: Any, **named: Any) -> jobd.Job:
    plan = await planned(intake, *arguments, **named)
    await store.enqueue([plan.new_job])
    return await store.get(plan.new_job.id)


async def test_a_job_gets_what_its_type_says(store: Store, intake: Intake) -> None:
    job = await stored(store, intake, send_note, Note(text="a"))
    assert (job.type, job.queue, job.priority, job.max_attempts) == ("send_note", "notes", 3, 7)
    assert (job.timeout_ms, job.tags, job.metadata) == (60_000, ("typed",), {})
    assert job.data == {"text": "a", "token": None}
    assert job.backoff is None  # that of the type, which is looked up where the job runs


async def test_a_job_gets_what_it_asks_for_itself(store: Store, intake: Intake) -> None:
    asked: dict[str, Any] = {
        "queue": "other",
        "priority": 9,
        "retries": 1,
        "timeout": "2s",
        "backoff": "1s",
        "tags": ["own"],
        "metadata": {"user": 1},
    }
    for _ in range(2):  # the second time from what the first one packed
        job = await stored(store, intake, send_note, {"text": "a"}, **asked)
        assert (job.queue, job.priority, job.max_attempts, job.timeout_ms) == ("other", 9, 2, 2_000)
        assert (job.tags, job.metadata, job.backoff) == (("own",), {"user": 1}, Backoff.fixed("1s"))


async def test_defaults_hold_where_nobody_says_anything(store: Store) -> None:
    defaults = Options(queue="usual", priority=8, max_attempts=2, timeout_ms=0)
    job = await stored(store, Intake(store, Catalog([plain]), Levels(defaults)), plain)
    assert (job.queue, job.priority, job.max_attempts, job.data) == ("usual", 8, 2, {})


@pytest.mark.parametrize("wanted", ["send_note", "send-note", "Send-Note"])
async def test_a_type_is_named_in_each_of_its_spellings(intake: Intake, wanted: str) -> None:
    plan = await planned(intake, wanted, {"text": "a"})
    assert (plan.type_name, plan.job_type) == ("send_note", send_note)


async def test_an_id_is_made_of_the_time_unless_one_is_chosen(intake: Intake) -> None:
    before = clock.now_ms()
    made = (await planned(intake, plain)).new_job.id
    assert is_made_id(made)
    assert before <= made_at_ms(made) <= clock.now_ms()
    assert (await planned(intake, plain, id="order-1")).new_job.id == "order-1"


@pytest.mark.parametrize(
    ("job_id", "said"),
    [
        ("stats", "taken by a path of the API"),
        ("a b", "an id of your own has up to 128 letters"),
        (new_id(1, lambda count: 1), "ids of this shape are made by jobd"),
        (new_id(1, lambda count: 1).lower(), "ids of this shape are made by jobd"),
    ],
)
async def test_an_id_that_may_not_be_chosen_is_refused(intake: Intake, job_id: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        await planned(intake, plain, id=job_id)


async def test_a_delay_counts_from_the_store_and_a_moment_is_a_moment(intake: Intake) -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    assert (await planned(intake, plain)).new_job.due == ""
    assert (await planned(intake, plain, delay=0)).new_job.due == ""
    assert (await planned(intake, plain, delay="5s")).new_job.due == "+5000"
    assert (await planned(intake, plain, run_at=moment)).new_job.due == str(round(moment.timestamp() * 1_000))


# --- types that are not installed here -----------------------------------------------------------------------------


@pytest.mark.requirement("1.2")
async def test_a_type_that_a_worker_has_made_known_is_taken_with_its_options(store: Store) -> None:
    await store.tell_types({"send_note": told_facts(send_note)})
    job = await stored(store, Intake(store, Catalog()), "send-note", {"text": "a", "what": "ever"})
    assert (job.type, job.queue, job.priority, job.max_attempts) == ("send_note", "notes", 3, 7)
    assert (job.tags, job.backoff, job.timeout_ms) == (("typed",), Backoff.fixed("5s"), 60_000)


async def test_a_worker_that_started_meanwhile_is_heard_of(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    intake = Intake(store, Catalog())
    with pytest.raises(UnknownJobType):
        await planned(intake, "send_note", {})
    await store.tell_types({"send_note": told_facts(send_note)})
    now = clock.monotonic()
    monkeypatch.setattr(clock, "monotonic", lambda: now + 1)
    assert (await planned(intake, "send_note", {})).type_name == "send_note"


async def test_a_type_that_nobody_knows_is_taken_into_a_queue_that_is_named(intake: Intake) -> None:
    plan = await planned(intake, "nobody-knows", {"a": 1}, queue="somewhere")
    assert (plan.type_name, plan.job_type, plan.new_job.queue) == ("nobody-knows", None, "somewhere")
    with pytest.raises(UnknownJobType, match="there is no job type 'nobody-knows'; known are: plain, send_note"):
        await planned(intake, "nobody-knows", {"a": 1})
    with pytest.raises(OptionError, match=r"^job type 'No body'"):
        await planned(intake, "No body", {"a": 1}, queue="somewhere")


async def test_a_model_may_be_given_for_a_type_that_is_not_installed(store: Store, intake: Intake) -> None:
    note = Note(text="a", token=SecretStr("canary"))
    job = await stored(store, intake, "elsewhere", note, queue="somewhere")
    assert job.data == {"text": "a", "token": "canary"}


@pytest.mark.parametrize("payload", ["text", 5, [1], object(), {"a": object()}])
async def test_what_is_no_object_is_refused_for_any_type(intake: Intake, payload: object) -> None:
    with pytest.raises(PayloadError, match="payload"):
        await planned(intake, "elsewhere", payload, queue="somewhere")
    with pytest.raises(PayloadError, match="payload"):
        await planned(intake, plain, payload)


@pytest.mark.parametrize("wanted", [5, None, ["send_note"], print])
async def test_what_is_no_type_is_refused(intake: Intake, wanted: object) -> None:
    with pytest.raises(InvalidRequest, match=r"^type: .* is neither a job type nor the name of one"):
        await planned(intake, wanted)


async def test_a_payload_may_have_a_megabyte_and_no_more(intake: Intake) -> None:
    room = LARGEST_PAYLOAD - len(orjson.dumps({"text": ""}))
    assert (await planned(intake, send_note, {"text": "a" * room})).type_name == "send_note"
    with pytest.raises(PayloadError, match="the payload of send_note has 1,048,577 bytes, and 1,048,576 are allowed"):
        await planned(intake, send_note, {"text": "a" * (room + 1)})


async def test_nothing_is_planned_when_one_of_many_is_wrong(intake: Intake) -> None:
    with pytest.raises(PayloadError):
        await intake.plan([Request(plain), Request(plain, {"a": "x"}), Request(plain)])


def test_what_is_told_of_a_type_reads_back() -> None:
    for job_type in (send_note, plain):
        facts = orjson.loads(orjson.dumps(told_facts(job_type)))
        assert from_record(facts) == job_type.options
    assert told_facts(send_note)["description"] == "Sends a note."
    assert from_record({}) == NONE
