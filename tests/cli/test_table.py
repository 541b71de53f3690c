"""Rows as tables and as tab-separated lines."""

from __future__ import annotations

import click
import pytest

from jobd.cli.table import Cell, Column, aligned, columns_of, harmless, tab_separated

COLUMNS = (Column("ID"), Column("ATTEMPT", right=True), Column("NOTE", may_be_cut=True))
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


def test_a_narrow_terminal_cuts_notes_and_never_ids() -> None:
    lines = list(aligned(COLUMNS, ROWS, width=60))
    assert lines[1] == "01KAMWZY9SVJ3Y4S5QKZ8J6T2N      1/4  ValueError: the wall i…"
    assert max(map(len, lines)) == 60
    assert "01KAMWZY9SVJ3Y4S5QKZ8J6T2N" in list(aligned(COLUMNS, ROWS, width=10))[1]


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


@pytest.mark.parametrize("text", ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "a\rb", "\u202e"])
def test_control_characters_of_a_job_do_not_reach_the_terminal(text: str) -> None:
    (_, line) = aligned((Column("A"),), [(Cell(text),)])
    assert line.isprintable()
    assert harmless(text).isprintable()
