"""Figures, times and headings as text."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playhead import formatting
from playhead.formatting import tries_line
from playhead.model import Invocation, Span, Step, TimelineRow, Tokens, Try, Wait

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "fine", "coarse"),
    [
        (None, "", ""),
        (0, "0ms", "0s"),
        (0.0124, "12ms", "0s"),
        (0.9996, "1.0s", "0s"),
        (4.21, "4.2s", "4s"),
        (59.96, "1m 00s", "59s"),
        (63, "1m 03s", "1m"),
        (7500, "2h 05m", "2h"),
        (273600, "3d 04h", "3d"),
        (-63, "-1m 03s", "-1m"),
    ],
)
def test_duration(seconds: float | None, fine: str, coarse: str) -> None:
    assert formatting.duration(seconds) == fine
    assert formatting.duration(seconds, coarse=True) == coarse


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "-"), (0, "0"), (412, "412"), (1234, "1.2k"), (34_400, "34k"), (1_200_000, "1.2M")],
)
def test_count(number: int | None, text: str) -> None:
    assert formatting.count(number) == text


def test_tokens_sizes_and_ages() -> None:
    assert formatting.tokens(Tokens(412, 38)) == "412/38"
    assert formatting.tokens(None) == "-"
    sizes = (812, 1400, 2_000_000, 48_100_000_000)
    assert [formatting.size(n) for n in sizes] == ["812 B", "1.4 KB", "2.0 MB", "48.1 GB"]
    assert formatting.age(NOW - timedelta(minutes=3, seconds=20), NOW) == "3m"
    assert formatting.age(NOW + timedelta(seconds=5), NOW) == "0s"


@pytest.mark.parametrize(
    ("passed", "took", "text"),
    [
        (200, None, "3m"), (200, 20, "3m"), (200, 185, "3m 20s"), (151, 151, "2m 31s"),
        (4.2, 4.2, "5s"), (4.2, 3.9, "5s"), (4.0, 0.1, "4s"), (59.5, 59.5, "1m"),
        (60, 59.9, "1m"),
        (7500, 7499, "2h 05m"), (7500, 3600, "2h"), (97_200, 90_000, "1d 03h"),
        (150, 151, "2m 31s"),
    ],
)  # fmt: skip
def test_an_age_never_looks_shorter_than_the_duration_beside_it(
    passed: float, took: float | None, text: str
) -> None:
    assert formatting.age(NOW - timedelta(seconds=passed), NOW, took=took) == text


@pytest.mark.parametrize("completed", [None, 10, 31])
def test_the_age_of_an_invocation_agrees_with_its_duration(completed: int | None) -> None:
    row = Invocation(
        "inv_1", "S/h", "S", "h", None, "succeeded" if completed else "running",
        created_at=NOW - timedelta(seconds=151),
        completed_at=NOW - timedelta(seconds=completed) if completed else None,
    )  # fmt: skip
    assert formatting.row_age(row, NOW) == {None: "2m 31s", 10: "2m 31s", 31: "2m"}[completed]


def test_elapsed_is_open_until_the_invocation_ends() -> None:
    started = NOW - timedelta(seconds=63)
    row = Invocation("inv_1", "S/h", "S", "h", None, "running", created_at=started)
    assert formatting.elapsed(row, NOW) == "1m 03s+"
    ended = Invocation(
        "inv_1", "S/h", "S", "h", None, "succeeded", created_at=started, completed_at=NOW
    )
    assert formatting.elapsed(ended) == "1m 03s"


def test_a_date_names_its_zone() -> None:
    assert formatting.date_time(None) == ""
    assert formatting.date_time(NOW).endswith(NOW.astimezone().strftime("%Z"))
    exact = formatting.date_time(NOW + timedelta(milliseconds=7), exact=True)
    assert exact == NOW.astimezone().strftime("%Y-%m-%d %H:%M:%S.007 %Z")


@pytest.mark.parametrize(
    ("index", "kind", "name", "label"),
    [
        (3, "run", "Get weather", "#3 run Get weather"),
        (0, "input", "input", "#0 input"),
        (4, "sleep", "", "#4 sleep"),
        (-1, "awakeable", "awakeable", "awakeable"),
    ],
)
def test_step_label(index: int, kind, name: str, label: str) -> None:
    step = Step(index, None, kind, f"Command: {kind}", name, "done", None, None)
    assert formatting.step_label(step) == label


@pytest.mark.parametrize(
    ("attributes", "line"),
    [
        ({"gen_ai.tool.call.result": '{"sky": "[rain]"}'}, '{"sky": "[rain]"}'),
        ({"gen_ai.tool.call.result": {"sky": "rain"}}, '{"sky": "rain"}'),
        ({"gen_ai.tool.call.result": "null"}, "null"),
        ({"gen_ai.tool.call.result": "It rains"}, "It rains"),
        ({"output.value": "It rains"}, "It rains"),
        ({}, ""),
        ({"gen_ai.operation.name": "chat", "output.value": "It rains"}, ""),
    ],
)
def test_a_tool_without_a_step_has_the_result_in_its_span(
    attributes: dict[str, Any], line: str
) -> None:
    tool = {"gen_ai.operation.name": "execute_tool", **attributes}
    span = Span("t", "s", None, "execute_tool look", "internal", "agents", "pydantic-ai", NOW, NOW,
                "unset", "", tool)  # fmt: skip
    row = TimelineRow("span:s", 0, "span", span.name, NOW, NOW, "done", 1, span=span)
    assert formatting.row_result_line(row) == line
    assert formatting.row_result_line(replace(row, span=None)) == ""


def test_a_step_begins_with_its_first_try_if_its_entry_came_later() -> None:
    step = Step(5, 2, "run", "Command: Run", "Get", "done", NOW, NOW + timedelta(milliseconds=20))
    assert step.began_at == NOW
    early, late = NOW - timedelta(milliseconds=17), NOW + timedelta(milliseconds=1)
    for first, began in ((early, early), (late, NOW), (None, NOW)):
        tried = replace(step, tries=(Try(1, "done", first, NOW, 1),))
        assert tried.began_at == began
    assert replace(step, started_at=None).began_at is None


def test_a_failure_is_one_line_without_its_stack_trace() -> None:
    trace = "[500 Internal] KeyError('a-17')\nTraceback (most recent call last):\n  File \"x.py\""
    assert formatting.failure_line(trace) == "[500 Internal] KeyError('a-17')"
    assert formatting.failure_line(trace, 8) == "[500 In…"
    assert formatting.failure_line("[409] booked\ntwice") == "[409] booked twice"
    assert formatting.failure_line(None) == ""


def test_text_of_any_source_is_safe() -> None:
    assert formatting.one_line("a\x1b[2J\nb", 3) == "a b"
    assert formatting.one_line("abcdef", 4) == "abc…"
    assert formatting.pretty({"a": "\x1b[2J"}) == '{\n  "a": "\\u001b[2J"\n}'
    assert formatting.pretty(b"\x00\xff") == "2 bytes: 00 ff"


def test_tries_are_counted_by_how_they_ended() -> None:
    ends = ("failed", "interrupted", "failed", "lost", "done")
    tries = tuple(Try(number, end, NOW, NOW, number) for number, end in enumerate(ends, 1))
    step = Step(1, 1, "run", "Command: Run", "Get", "done", NOW, NOW, tries=tries)
    assert tries_line(step) == "5 tries (2 failed, 1 interrupted, 1 lost)"
    assert tries_line(replace(step, tries=tries[-1:])) == "1 try"


def test_the_waits_of_a_step_are_summed_without_the_one_that_lasts() -> None:
    def line(*ends: float | None) -> str:
        waits = tuple(
            Wait(NOW, None if end is None else NOW + timedelta(seconds=end)) for end in ends
        )
        step = Step(1, 1, "run", "Command: Run", "Get", "retrying", NOW, None, waits=waits)
        return tries_line(step).partition(", ")[2]

    assert line() == ""
    assert line(None) == "1 wait"
    assert line(1.5) == "1 wait of 1.5s"
    assert line(1.5, 2.0, None) == "2 waits of 3.5s in all, and one now"
