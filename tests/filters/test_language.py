"""The filter language: what a text means, and where it is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playhead.errors import FilterError
from playhead.filters.completion import complete
from playhead.filters.fields import FIELDS
from playhead.filters.language import Filter, Term, all_of, parse, parse_time, quote

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)


def terms(text: str) -> list[tuple[str | None, str, tuple[str, ...], bool]]:
    return [
        (term.field.name if term.field else None, term.operator, term.values, term.negated)
        for term in parse(text).terms
    ]


def test_a_filter_is_a_list_of_conditions() -> None:
    assert terms('status:retrying error:"rate limit" tokens>1000 -key:u1,u2 attempts:>=3 hi') == [
        ("status", ":", ("retrying",), False),
        ("error", ":", ("rate limit",), False),
        ("tokens", ">", ("1000",), False),
        ("key", ":", ("u1", "u2"), True),
        ("attempts", ">=", ("3",), False),
        (None, ":", ("hi",), False),
    ]


@pytest.mark.parametrize(
    "word", ["weather", "[bold", "Chat/u1/run", "http://x.y/z?a=b", "100%", "a-b", "(x,y)", "é:x"]
)
def test_plain_words_are_text(word: str) -> None:
    assert terms(f"{word} -{word}") == [(None, ":", (word,), False), (None, ":", (word,), True)]


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_text_has_no_conditions(text: str) -> None:
    assert parse(text) == Filter()


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("status:", 7, "a value is missing"),
        ("  stauts:failed", 2, "Did you mean status?"),
        ("status:faild", 7, "Did you mean failed?"),
        ("tokens>abc", 7, "not a whole number"),
        ("status>failed", 6, "cannot be compared with >"),
        ('x error:"abc', 8, "this quote is not closed"),
        ('"abc"def', 5, "Separate conditions with spaces"),
        ("-", 1, "a condition must follow -"),
        ("since:yesterday", 6, "an age, such as 15m"),
        ("key:a,", 6, "a value is missing"),
        ("status:failed OR status:paused", 14, "write status:failed,killed"),
        ("NOT key:u1", 0, "for NOT, -key:u1"),
        ("key:u1 (status:failed)", 7, "leave out AND and brackets"),
    ],
)
def test_a_wrong_filter_names_the_place(text: str, position: int, problem: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert caught.value.position == position
    assert f"at character {position + 1}:" in caught.value.title
    assert problem in caught.value.short


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
def test_the_example_of_every_field_is_right(field) -> None:
    [term] = parse(field.example).terms
    assert term.field is field


@pytest.mark.parametrize(
    "value", ["a", "a b", 'say "hi"', "back\\slash", "-x", "a,b", "k:v", "é", "OR", "(k:v"]
)
def test_quoted_values_are_read_back(value: str) -> None:
    assert terms(f"key:{quote(value)} {quote(value, word=True)}") == [
        ("key", ":", (value,), False),
        (None, ":", (value,), False),
    ]


def test_a_filter_is_written_as_it_is_read() -> None:
    text = '-status:failed,killed error:"rate limit" tokens>=5 "a b" -"k:v"'
    assert str(parse(text)) == text


def test_single_conditions_become_a_filter() -> None:
    made = all_of(statuses=("failed",), service="A*", text="x key:y", since=NOW, id_prefix="inv_1")
    assert str(made) == f'status:failed service=A* since:{NOW.isoformat()} id:inv_1 x "key:y"'


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("1.5h", NOW - timedelta(minutes=90)),
        ("1w", NOW - timedelta(days=7)),
        ("2026-03-01T10:00:00+01:00", datetime(2026, 3, 1, 9, tzinfo=UTC)),
    ],
)
def test_times_are_ages_or_iso_8601(text: str, at: datetime) -> None:
    assert parse_time(text, NOW) == at


def test_groups_of_statuses_stand_for_several() -> None:
    [term] = parse("status:stuck,Running").terms
    assert isinstance(term, Term)
    assert term.statuses == ("backing-off", "paused", "running")


def test_fields_and_values_are_completed() -> None:
    assert complete("sta").texts == ("status:",)
    assert complete("x -to").candidates == ("tokens", "tool")
    assert complete("status:pa").texts == ("status:paused",)
    assert complete("status:failed,pa").texts == ("status:failed,paused",)
    known = {"service": ("Chat Room", "Billing")}
    assert complete('service:"ch', known).texts == ('service:"Chat Room"',)


def test_help_tells_a_problem_from_an_unfinished_condition() -> None:
    assert not complete("status:").wrong
    assert "Status, or a group" in complete("status:").help
    assert not complete('error:"rate li').wrong
    assert complete("stauts:failed").wrong
    assert "Did you mean status?" in complete("stauts:failed").help
    assert complete("tokens>x status:fai").wrong
