"""The table of `playhead sql`, in terminals of any width and in a pipe."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from playhead.cli import output, sql

ROW = {f"column_{number}": f"value {number} of a wide row" for number in range(12)}


def draw(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    terminal: bool,
    row: Mapping[str, str | None],
) -> list[str]:
    monkeypatch.setattr(output, "is_terminal", lambda: terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    sql._table(list(row), [dict(row), dict(row)])
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_row_that_is_too_wide_for_the_terminal_is_written_as_lines(monkeypatch, capsys) -> None:
    lines = draw(monkeypatch, capsys, terminal=True, row=ROW)
    assert lines[:3] == [
        "row 1",
        "column_0   value 0 of a wide row",
        "column_1   value 1 of a wide row",
    ]
    assert lines[13] == "row 2"
    assert len(lines) == 26


def test_a_pipe_gets_whole_rows(monkeypatch, capsys) -> None:
    lines = draw(monkeypatch, capsys, terminal=False, row=ROW)
    assert len(lines) == 4
    assert all(value in lines[2] for value in ROW.values())


def test_long_values_are_folded_in_their_column(monkeypatch, capsys) -> None:
    lines = draw(monkeypatch, capsys, terminal=True, row={"n": "1", "text": "x" * 100})
    assert lines[0].split() == ["n", "text"]
    assert max(map(len, lines)) <= 80
    assert sum(line.count("x") for line in lines[1:]) == 200


def test_numbers_times_and_ids_are_never_folded(monkeypatch, capsys) -> None:
    row = {"id": "inv_115oNPF1D1aq27uECExewjaNQuCHH1RZpQ", "at": "2026-11-22T18:50:52.502000Z",
           "count": "12345678901234567890"}  # fmt: skip
    lines = draw(monkeypatch, capsys, terminal=True, row=row)
    assert lines[0] == "row 1"
    assert [line.split()[-1] for line in lines[1:4]] == list(row.values())
    row = {"id": row["id"], "error": "the weather station does not answer " * 3, "n": "1234567"}
    lines = draw(monkeypatch, capsys, terminal=True, row=row)
    assert lines[0].split() == ["id", "error", "n"]
    assert sum(row["id"] in line and row["n"] in line for line in lines) == 2
    assert max(map(len, lines)) <= 80


def test_null_is_no_empty_text(monkeypatch, capsys) -> None:
    for terminal in (True, False):
        row = {"a": None, "b": "", "c": "x"}
        lines = draw(monkeypatch, capsys, terminal=terminal, row=row)
        assert lines[2].split() == ["NULL", "x"]
