"""Rows as tables and as tab-separated lines."""

from __future__ import annotations

import click
import pytest

from jobd.cli.table import Cell, Column, aligned, columns_of, elided, harmless, tab_separated

COLUMNS = (Column("ID"), Column("ATTEMPT", right=True), Column("NOTE", below=2))
ROWS = (
    (Cell("01KAMWZY9SVJ3Y4S5QKZ8J6T2N"), Cell("1/4"), Cell("ValueError: the wall is wet, come back tomorrow")),
    (Cell("order-1"), Cell("10/12", colour="red"), Cell("")),
)


def test_columns_stand_in_line_and_numbers_at_the_right() -> None:
    assert list(aligned(COLUMNS, ROWS)) == [
        "ID                          ATTEMPT  NOTE",
        "01KAMWZY9SVJ3Y4S5QKZ8J6T2N      1/4  ValueError: the wall is wet, come back tomorrow",
        "order-1                       10/12",
    ]


def test_what_has_no_room_in_its_row_stands_below_it() -> None:
    assert list(aligned(COLUMNS, [*ROWS, (Cell("order-2"), Cell("2/4"), Cell("dry"))], width=64)) == [
        "ID                          ATTEMPT  NOTE",
        "01KAMWZY9SVJ3Y4S5QKZ8J6T2N      1/4",
        "    ValueError: the wall is wet, come back tomorrow",
        "order-1                       10/12",
        "order-2                         2/4  dry",
    ]


def test_it_takes_no_more_lines_there_than_it_may_and_shows_where_it_was_cut() -> None:
    lines = list(aligned(COLUMNS, [(Cell("order-1"), Cell("1/4"), Cell("word " * 40))], width=40))
    assert lines == [
        "ID       ATTEMPT",
        "order-1      1/4",
        "    word word word word word word word",
        "    word word word word word word word…",
    ]


def test_what_is_minor_gets_no_line_of_its_own() -> None:
    (_, *lines) = aligned(COLUMNS, [(Cell("order-1"), Cell("1/4"), Cell("took 7ms " * 9, minor=True))], width=40)
    assert lines == ["order-1      1/4"]


def test_below_their_rows_several_columns_are_told_apart() -> None:
    columns = (Column("NAME"), Column("JOB TYPES", below=9), Column("ERROR", below=9))
    (_, *lines) = aligned(columns, [(Cell("walls"), Cell("paint " * 9), Cell("the door is shut " * 4))], width=40)
    assert lines == [
        "walls",
        "    job types: paint paint paint paint",
        "    paint paint paint paint paint",
        "    error: the door is shut the door is",
        "    shut the door is shut the door is",
        "    shut",
    ]


def test_a_column_without_anything_in_it_is_not_shown() -> None:
    assert list(aligned(COLUMNS, [(Cell("order-1"), Cell("1/4"), Cell(""))])) == [
        "ID       ATTEMPT",
        "order-1      1/4",
    ]


@pytest.mark.parametrize(
    ("width", "head"),
    [
        (60, "QUEUE    WAITING  BLOCKED  ACTIVE  FAILED"),
        (40, "QUEUE    WAITING  BLOCKED  ACTIVE"),
        (31, "QUEUE    WAITING  ACTIVE"),
        (23, "QUEUE    WAITING"),
        (15, "QUEUE   WAITING"),
        (13, "QUE…  WAITING"),
        (5, "Q…  WAITING"),
    ],
)
def test_a_narrow_terminal_loses_what_says_nothing_then_what_is_spare_then_the_ends_of_names(
    width: int, head: str
) -> None:
    columns = (
        Column("QUEUE", least=2),
        Column("WAITING", right=True),
        Column("BLOCKED", right=True),
        Column("ACTIVE", right=True, spare=1),
        Column("FAILED", right=True),
    )
    row = [Cell("default"), Cell("7"), Cell("0"), Cell("3"), Cell("0")]
    lines = list(aligned(columns, [row], width=width))
    assert lines[0] == head
    assert len(lines[1]) == len(head)


def test_ids_are_never_cut() -> None:
    for width in range(80):
        assert "01KAMWZY9SVJ3Y4S5QKZ8J6T2N" in list(aligned(COLUMNS, ROWS, width=width))[1]


@pytest.mark.parametrize(
    ("text", "size", "left"), [("日本語", 5, "日本…"), ("abc", 3, "abc"), ("abc", 1, "…"), ("a", 0, "")]
)
def test_a_cut_is_shown(text: str, size: int, left: str) -> None:
    assert elided(text, size) == left


def test_colours_do_not_shift_columns() -> None:
    painted = list(aligned(COLUMNS, ROWS, colours=True))
    assert [click.unstyle(line) for line in painted] == list(aligned(COLUMNS, ROWS))
    assert painted != list(aligned(COLUMNS, ROWS))


def test_wide_letters_take_two_columns() -> None:
    assert columns_of("日本") == 4
    assert columns_of("e\u0301") == 1
    lines = list(aligned((Column("A"), Column("B")), [(Cell("日本"), Cell("x")), (Cell("ab"), Cell("y"))]))
    assert lines[1:] == ["日本  x", "ab    y"]


def test_rows_for_programs_are_whole_and_one_a_line() -> None:
    rows = [
        (Cell("3m ago", plain="2026-01-31T08:00:00.000Z"), Cell("two\nlines\tand a tab")),
        (Cell("-", plain=""), Cell("")),
    ]
    assert list(tab_separated(rows)) == ["2026-01-31T08:00:00.000Z\ttwo lines and a tab", "\t"]


@pytest.mark.threat("S41")
@pytest.mark.parametrize("text", ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "a\rb", "\u202e"])
def test_control_characters_of_a_job_do_not_reach_the_terminal(text: str) -> None:
    (_, line) = aligned((Column("A"),), [(Cell(text),)])
    assert line.isprintable()
    assert harmless(text).isprintable()
