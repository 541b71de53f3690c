from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.domain.backoff import DEFAULT as DEFAULT_BACKOFF
from jobd.domain.backoff import Backoff
from jobd.domain.options import DEFAULTS, NONE, ROWS, Options, from_record, make_options, readable
from jobd.errors import OptionError

some = st.fixed_dictionaries(
    {},
    optional={
        "queue": st.sampled_from(["one", "two"]),
        "priority": st.integers(1, 10),
        "max_attempts": st.integers(1, 1_000),
        "backoff": st.sampled_from(["1s", "2s"]),
        "timeout": st.integers(1, 100),
        "delay": st.integers(0, 100),
        "tags": st.lists(st.sampled_from("abc"), max_size=3),
        "metadata": st.dictionaries(st.sampled_from("abc"), st.integers(), max_size=2),
    },
)


@given(some, some)
def test_what_a_job_says_wins_over_its_type_and_that_over_the_defaults(
    own: dict[str, Any], below: dict[str, Any]
) -> None:
    resolved = make_options(**own).over(make_options(**below)).over(DEFAULTS)
    meant = make_options(**{**below, **own})
    for name in Options.__dataclass_fields__:
        wanted = getattr(meant, name)
        assert getattr(resolved, name) == (getattr(DEFAULTS, name) if wanted is None else wanted)


@given(some)
def test_nothing_said_changes_nothing(given: dict[str, Any]) -> None:
    options = make_options(**given)
    assert NONE.over(options) == options.over(NONE) == options


def test_an_empty_list_of_tags_is_something_said() -> None:
    assert make_options(tags=[]).over(make_options(tags=["a"])).tags == ()


@pytest.mark.requirement("2.2")
def test_where_nobody_says_anything_there_are_four_attempts_with_exponential_backoff() -> None:
    assert (
        Options(queue="default", priority=5, max_attempts=4, backoff=DEFAULT_BACKOFF, timeout_ms=0, delay_ms=None)
        == DEFAULTS
    )
    assert Backoff.exponential("2s", cap="1h", jitter=0.25) == DEFAULT_BACKOFF


@pytest.mark.requirement("2.2")
@given(st.integers(0, 999))
def test_retries_are_the_attempts_after_the_first(retries: int) -> None:
    assert make_options(retries=retries).max_attempts == retries + 1
    assert make_options(retries=retries) == make_options(max_attempts=retries + 1)


def test_people_write_each_option_in_their_way() -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    options = make_options(
        queue="mail",
        priority="high",
        max_attempts=5,
        backoff={"kind": "fixed", "base_ms": 10},
        timeout=timedelta(minutes=1),
        run_at=moment,
        tags=(tag for tag in ("a", "b", "a")),
        metadata={"user": 1},
    )
    assert options == Options(
        queue="mail",
        priority=3,
        max_attempts=5,
        backoff=Backoff.fixed("10ms"),
        timeout_ms=60_000,
        run_at_ms=round(moment.timestamp() * 1_000),
        tags=("a", "b"),
        metadata={"user": 1},
    )


def test_a_moment_before_1970_is_now() -> None:
    assert make_options(run_at=datetime(1960, 1, 1, tzinfo=UTC)).run_at_ms == 0


def test_metadata_is_copied() -> None:
    metadata = {"user": 1}
    options = make_options(metadata=metadata)
    metadata["user"] = 2
    assert options.metadata == {"user": 1}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"queue": "No Such"}, "queue: 'No Such' cannot name a queue; a name has up to 128 letters"),
        ({"xyzzy": 1}, "there is no option 'xyzzy'; there are queue, "),
        ({"prio": 1}, r"there is no option 'prio'; did you mean 'priority'\?"),
        ({"queue": 5}, "queue: 5 cannot name a queue; a name has"),
        ({"priority": 11}, "priority: 11 is not between 1"),
        ({"priority": "urgent"}, "priority: 'urgent' is neither a number from 1 to 10 nor one of critical"),
        ({"max_attempts": 0}, "max_attempts: 0 is not a whole number from 1 to 1000"),
        ({"max_attempts": True}, "max_attempts: True is not a whole number"),
        ({"max_attempts": 2.0}, "max_attempts: 2.0 is not a whole number"),
        ({"max_attempts": "3"}, "max_attempts: '3' is not a whole number"),
        ({"retries": -1}, "retries: -1 is not a whole number from 0 to 999"),
        ({"retries": 1_000}, "retries: 1000 is not a whole number from 0 to 999"),
        ({"retries": 1, "max_attempts": 2}, "max_attempts and retries say the same in two ways; give one"),
        ({"backoff": "soon"}, "backoff delay: 'soon' is not a duration"),
        ({"backoff": {"kind": "odd"}}, r"backoff\.kind: 'odd'"),
        ({"timeout": 0}, "timeout: 0 is out of range; it must be between 1ms and 10 years"),
        ({"timeout": "long"}, "timeout: 'long' is not a duration"),
        ({"delay": -1}, "delay: -1 is out of range"),
        ({"delay": True}, "delay: True is not a duration"),
        ({"delay": 1, "run_at": datetime.now(UTC)}, "delay and run_at exclude each other; give one"),
        ({"run_at": datetime(2030, 1, 1)}, "run_at: 2030-01-01T00:00:00 has no time zone"),  # noqa: DTZ001  the point
        ({"run_at": "2030-01-01"}, "run_at: '2030-01-01' is not a datetime"),
        ({"tags": "urgent"}, "tags: give a list of words, not 'urgent'"),
        ({"tags": 5}, "tags: give a list of words, not 5"),
        ({"tags": {"a": 1}}, "tags: give a list of words, not {'a': 1}"),
        ({"tags": [5]}, "tags: 5 is not a word of 1 to 255 printable characters"),
        ({"tags": [["a"]]}, r"tags: \['a'\] is not a word"),
        ({"tags": [""]}, "tags: '' is not a word"),
        ({"tags": ["a\0"]}, "tags: 'a.x00' is not a word"),
        ({"tags": ["a" * 256]}, "tags: 'a+' is not a word of 1 to 255"),
        ({"tags": map(str, range(33))}, "tags: these are too many; a job has up to 32"),
        ({"metadata": ["a"]}, "metadata: give an object whose keys are texts"),
        ({"metadata": {1: 2}}, "metadata: give an object whose keys are texts"),
    ],
)
def test_a_wrong_option_is_refused_with_its_name_and_what_is_allowed(given: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=f"^{said}"):
        make_options(**given)


def test_what_a_record_says_of_none_here_is_passed_over() -> None:
    record = {"tags": None, "queue": None, "of-tomorrow": 1, "timeout_ms": 5}
    assert from_record(record) == readable(record) == Options(timeout_ms=5)
    assert readable({**record, "backoff": {"kind": "odd"}}) == Options(timeout_ms=5)


@pytest.mark.parametrize(
    ("record", "said"), [({"backoff": {"kind": "odd"}}, r"backoff\.kind: 'odd'"), ({"tags": 5}, "tags: 'int' object")]
)
def test_an_option_of_a_record_that_cannot_be_read_is_named_once(record: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=f"^{said}"):
        from_record(record)


def test_the_command_line_says_some_options_once_for_each_value() -> None:
    assert (ROWS["tags"].flag, ROWS["queue"].flag) == ("tag", "queue")
