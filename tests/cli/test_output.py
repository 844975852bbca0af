"""Tables in terminals of any width, and values as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import click
import pytest
from playhead.cli import ls, output
from playhead.model import Cost, Invocation, InvocationPage, Tokens

COLUMNS = ("ID", "TARGET", "COUNT", "FAILURE")
ROWS = [
    ("inv_1", "Weather/run", "1", ("the station \x1b[2Jis down", "red")),
    ("inv_2", "[bold]Chat[/bold]/ada/message", "12", ""),
]


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Draw the table in a terminal of a given width; return its lines and the notes."""
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")

    def draw(width: int) -> tuple[list[str], str]:
        monkeypatch.setenv("COLUMNS", str(width))
        output.table(
            COLUMNS,
            ROWS,
            right=["COUNT"],
            shortest={"TARGET": 8, "FAILURE": 10},
            optional=["COUNT", "FAILURE"],
        )
        written = capsys.readouterr()
        return [line.rstrip() for line in written.out.splitlines()], written.err

    return draw


def test_a_wide_terminal_shows_everything(draw) -> None:
    lines, notes = draw(80)
    assert lines == [
        "ID     TARGET                         COUNT  FAILURE",
        "inv_1  Weather/run                        1  the station is down",
        "inv_2  [bold]Chat[/bold]/ada/message     12",
    ]
    assert notes == ""


def test_cells_are_cut_before_columns_are_left_out(draw) -> None:
    lines, notes = draw(40)
    assert lines[1:] == [
        "inv_1  Weather/run      1  the station …",
        "inv_2  [bold]Chat…     12",
    ]
    assert notes == ""


def test_columns_that_do_not_fit_are_named(draw) -> None:
    lines, notes = draw(16)
    assert lines == ["ID     TARGET", "inv_1  Weather/…", "inv_2  [bold]Ch…"]
    assert notes == "Not shown in 16 columns: COUNT, FAILURE.\n"


@pytest.mark.parametrize(
    ("usd", "heading"), [(None, "TOKENS"), (0.5, "COST")], ids=["unknown prices", "known prices"]
)
def test_a_narrow_list_leaves_out_costs_that_are_unknown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], usd: float, heading: str
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    row = Invocation(
        "inv_1" + "0" * 32, "RefundAgent/run", "RefundAgent", "run", None, "succeeded", now,
        completed_at=now, attempts=3, attempts_at_least=3, llm_calls=1, tokens=Tokens(58, 5),
        cost=Cost(usd, 1), last_failure="KeyError: a-17 is not an order of this customer",
    )  # fmt: skip
    names = ("id", "target", "status", "age", "duration", "attempts", "tokens", "cost", "reason")
    ls._write(InvocationPage((row,), more=False), None, names, filtered=False, sorted_=False)
    head = capsys.readouterr().out.splitlines()[0].split()
    assert [name for name in ("TOKENS", "COST") if name in head] == [heading]


@pytest.mark.parametrize("width", range(16, 70))
def test_no_line_is_wider_than_the_terminal(draw, width: int) -> None:
    assert max(map(len, draw(width)[0])) <= width


def test_a_pipe_gets_whole_cells_between_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(COLUMNS, ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "ID\tTARGET\tCOUNT\tFAILURE",
        "inv_1\tWeather/run\t1\tthe station is down",
        "inv_2\t[bold]Chat[/bold]/ada/message\t12\t",
    ]


def test_json_of_dataclasses_times_and_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    output.echo_json({"tokens": Tokens(1, 2), "at": (at, None), "raw": b"\x00", "text": "\ud800"})
    assert json.loads(capsys.readouterr().out) == {
        "tokens": {"input": 1, "output": 2},
        "at": ["2026-01-02T03:04:05Z", None],
        "raw": {"base64": "AA=="},
        "text": "\ud800",
    }


def test_a_large_document_is_written_in_parts(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Contents of hundreds of megabytes are not in memory twice."""
    written: list[int] = []
    echo = click.echo

    def noted(part: bytes = b"", **more: Any) -> None:
        written.append(len(part))
        echo(part, **more)

    monkeypatch.setattr(click, "echo", noted)
    texts = [f"{n} ☀ \x9b2J \udc9b {'a' * 2000}" for n in range(500)]
    page = {"rows": MappingProxyType({"texts": tuple(texts)}), "tokens": Tokens(3, 4)}
    output.echo_json(page)
    document = capsysbinary.readouterr().out
    assert len(written) > 10
    assert max(written) < 100_000
    assert b"\xc2\x9b" not in document
    found = json.loads(document)
    assert found["rows"]["texts"] == texts
    assert found["tokens"] == output.plain(Tokens(3, 4))
