"""Each option, said in every place where it may be said: decorator, configuration, Python, HTTP and command line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import jobd
from jobd.cli.job_options import job_options
from jobd.domain.backoff import PATIENT
from jobd.domain.jobtype import JobType
from jobd.domain.keywords import JobOptions, TypeOptions
from jobd.domain.levels import Levels
from jobd.domain.options import DEFAULTS, NONE, ROWS, Level, Options, from_record, make_options, read_options
from jobd.errors import InvalidRequest, OptionError, SettingsError
from jobd.http.enqueue_body import read_request
from jobd.settings import load_settings
from tests.option_samples import SAMPLES, WRONG, Sample, flags, number, word

ALL = [(keyword, index) for keyword, samples in SAMPLES.items() for index in range(len(samples))]


def decorated(**options: Any) -> JobType[Any, Any]:
    async def work(n: int = 0) -> None: ...

    made: JobType[Any, Any] = jobd.job("work", **options)(work)
    return made


def in_file(folder: Path, section: str, options: Mapping[str, Sample]) -> Levels:
    path = folder / "jobd.toml"
    lines = [f"{keyword} = {sample.toml}" for keyword, sample in options.items()]
    path.write_text("\n".join([f"[{section}]", *lines]))
    return load_settings(environment={}, config=path).levels


def on_command_line(*words: str) -> Options:
    told: list[Options] = []

    @click.command()
    @job_options
    def command(options: Options) -> None:
        told.append(options)

    result = CliRunner().invoke(command, list(words), catch_exceptions=False, standalone_mode=False)
    assert result.exit_code == 0
    return told[0]


def test_every_option_is_in_this_test_and_known_to_the_type_checker() -> None:
    assert SAMPLES.keys() == WRONG.keys() == ROWS.keys()
    assert JobOptions.__annotations__.keys() == {name for name, row in ROWS.items() if Level.JOB in row.levels}
    only_in_code = {"on_error", "services"}
    assert TypeOptions.__annotations__.keys() - only_in_code == {
        name for name, row in ROWS.items() if Level.TYPE in row.levels
    }


@pytest.mark.parametrize(("keyword", "index"), ALL)
def test_an_option_means_the_same_wherever_it_is_said(keyword: str, index: int, tmp_path: Path) -> None:
    row, sample = ROWS[keyword], SAMPLES[keyword][index]
    meant = Options(**{row.field: sample.meant})
    assert make_options(**{keyword: sample.python}) == meant
    assert read_request({"type": "work", row.wire: sample.json}).options == meant
    assert on_command_line(*flags(keyword, sample.words)) == meant
    assert from_record(orjson.loads(orjson.dumps(meant.to_record()))) == meant
    if Level.TYPE in row.levels:
        assert decorated(**{keyword: sample.python}).options == meant
    if Level.QUEUE in row.levels:
        below = in_file(tmp_path, "queues.some_queue", {keyword: sample}).below("some-queue")
        assert below == meant.over(DEFAULTS)
    if Level.DEFAULTS in row.levels:
        assert in_file(tmp_path, "defaults", {keyword: sample}).defaults == meant.over(DEFAULTS)


@pytest.mark.parametrize("keyword", [name for name, row in ROWS.items() if Level.QUEUE in row.levels])
def test_the_environment_says_what_the_file_says(keyword: str) -> None:
    row, sample = ROWS[keyword], SAMPLES[keyword][0]
    variable = f"JOBD_QUEUES__SOME_QUEUE__{keyword.upper()}"
    levels = load_settings(environment={variable: ",".join(sample.words)}).levels
    assert getattr(levels.below("some-queue"), row.field) == sample.meant
    assert levels.below("other") == DEFAULTS


SAID = st.fixed_dictionaries({level: st.none() | st.integers(0, 3) for level in Level})


@given(st.sampled_from(sorted(ROWS)), SAID)
def test_a_job_wins_over_its_type_that_over_its_queue_and_that_over_the_defaults(
    keyword: str, said: Mapping[Level, int | None]
) -> None:
    row = ROWS[keyword]
    spoken = {
        level: read_options({keyword: SAMPLES[keyword][index].python}, level)
        for level, index in said.items()
        if index is not None and level in row.levels
    }
    levels = Levels(spoken.get(Level.DEFAULTS, NONE), {"default": spoken.get(Level.QUEUE, NONE)})
    resolved = levels.resolve(spoken.get(Level.JOB, NONE), spoken.get(Level.TYPE, NONE))
    winner = next((spoken[level] for level in Level if level in spoken), DEFAULTS)
    assert getattr(resolved, row.field) == getattr(winner, row.field)


def test_patience_is_said_in_one_word_in_every_place(tmp_path: Path) -> None:
    meant = Options(backoff=PATIENT, max_attempts=20)
    assert make_options(backoff="patient") == decorated(backoff="patient").options == meant
    assert read_request({"type": "work", "backoff": "patient"}).options == meant
    assert on_command_line("--backoff", "patient") == meant
    assert in_file(tmp_path, "queues.mail", {"backoff": word("patient")}).below("mail") == meant.over(DEFAULTS)


def test_the_moment_of_a_job_takes_the_place_of_a_delay_below() -> None:
    levels = Levels(make_options(delay=1), {"default": make_options(delay=2)})
    at = datetime(2090, 1, 1, tzinfo=UTC)
    resolved = levels.resolve(make_options(run_at=at), make_options(delay=3))
    assert (resolved.delay_ms, resolved.run_at_ms) == (None, round(at.timestamp() * 1_000))


# --- what is wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keyword", WRONG)
def test_a_wrong_value_is_refused_in_every_place_with_the_name_of_the_option(keyword: str, tmp_path: Path) -> None:
    row, value = ROWS[keyword], WRONG[keyword]
    with pytest.raises(OptionError, match=f"^{keyword}"):
        make_options(**{keyword: value})
    with pytest.raises(InvalidRequest) as refused:
        read_request({"type": "work", row.wire: value})
    assert [fault["pointer"] for fault in refused.value.faults] == [f"/{row.wire}"]
    if row.kind.many != "words":
        with pytest.raises(click.UsageError) as complaint:
            on_command_line(*flags(keyword, [str(value)]))
        assert f"--{row.flag.replace('_', '-')}" in complaint.value.format_message()
    if Level.TYPE in row.levels:
        with pytest.raises(OptionError, match=f"^{keyword}"):
            decorated(**{keyword: value})
    for level, section in ((Level.QUEUE, "queues.mail"), (Level.DEFAULTS, "defaults")):
        if level in row.levels:
            said = {keyword: Sample(value, value, [], orjson.dumps(value).decode(), None)}
            with pytest.raises(SettingsError, match=rf"{section}\.{keyword} \(from .*jobd\.toml\): ."):
                in_file(tmp_path, section, said)


@pytest.mark.parametrize(("keyword", "level"), [(name, level) for name in ROWS for level in Level])
def test_an_option_that_a_level_does_not_have_is_refused_there(keyword: str, level: Level) -> None:
    row = ROWS[keyword]
    if level not in row.levels:
        with pytest.raises(OptionError, match=f"^{keyword}: this is an option of a job"):
            read_options({keyword: SAMPLES[keyword][0].python}, level)


def test_two_that_exclude_each_other_are_refused_in_every_place(tmp_path: Path) -> None:
    both: dict[str, Any] = {"max_attempts": 4, "retries": 3}
    said = "max_attempts and retries say the same in two ways; give one"
    with pytest.raises(OptionError, match=said):
        make_options(**both)
    with pytest.raises(OptionError, match=said):
        decorated(**both)
    with pytest.raises(OptionError, match=said):
        on_command_line("--max-attempts", "4", "--retries", "3")
    with pytest.raises(InvalidRequest) as refused:
        read_request({"type": "work", **both})
    assert [(fault["pointer"], fault["message"]) for fault in refused.value.faults] == [("/retries", said)]
    with pytest.raises(SettingsError, match=rf"queues.mail \(from .*\): {said}"):
        in_file(tmp_path, "queues.mail", {"max_attempts": number(4), "retries": number(3)})


def test_an_unknown_option_is_answered_with_what_was_perhaps_meant(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"there is no option 'prioritty'; did you mean 'priority'\?"):
        read_options({"prioritty": 1})
    with pytest.raises(SettingsError, match=r"there is no such setting; did you mean queues\.mail\.priority\?"):
        in_file(tmp_path, "queues.mail", {"prioritty": number(1)})
