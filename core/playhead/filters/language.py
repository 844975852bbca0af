"""The filter language: its grammar, and filters as conditions that must all be met.

A filter is a list of conditions, separated by spaces: `status:failed service:Chat tokens>1000
-key:u1 "rate limit"`. `-` negates a condition. A condition without a field is text; it is searched
in the row and in everything that was recorded. Values with spaces are quoted; `,` separates
alternatives.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from playhead.errors import FilterError
from playhead.filters.fields import FIELDS, STATUS_GROUPS, WAIT_GROUPS, Field
from playhead.model import Status, WaitingKind

if TYPE_CHECKING:
    from lark import Lark

__all__ = ["Filter", "Term", "all_of", "parse", "parse_seconds", "parse_time", "quote"]

GRAMMAR = r"""
start: [term (_SPACE term)*]
term: [MINUS] (condition | text)
condition: FIELD OPERATOR value ("," value)*
text: QUOTED | WORD
value: QUOTED | VALUE
FIELD.3: /[A-Za-z_]+(?=:(?!\/\/)|[<>]=?|=)/
OPERATOR: /:[<>]=?|[<>]=?|:|=/
MINUS.2: "-"
QUOTED.2: /"(\\.|[^"\\])*"/
WORD: /[^\s"]\S*/
VALUE: /[^\s",]+/
_SPACE: /\s+/
"""
"""Grammar in Lark's notation. `http://` is a word: a field is not followed by `://`."""

_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)?")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_ESCAPED = re.compile(r"\\(.)")
_PLAIN_VALUE = re.compile(r'[^\s",\\-][^\s",\\]*')
_FIELD_LIKE = re.compile(r"[A-Za-z_]+(:(?!//)|[<>=])")
_OTHER_LANGUAGES = re.compile(r"(?:AND|OR|NOT)$|\(+-?[A-Za-z_]+[:<>=]")
"""Operators and groups of other languages, which would be searched as text."""
_Name = TypeVar("_Name", Status, WaitingKind)
Operator = Literal[":", "=", ">", ">=", "<", "<="]


@dataclass(frozen=True, slots=True)
class Term:
    """One condition."""

    field: Field | None
    """None for text."""
    operator: Operator
    values: tuple[str, ...]
    """Alternatives, unquoted; one of them must match. Text has one value."""
    negated: bool = False
    start: int = 0
    """Place of its first character in the filter's text."""

    @property
    def statuses(self) -> tuple[Status, ...]:
        """The statuses that a term of `status` or of `wait` can match."""
        return tuple(dict.fromkeys(one for v in self.values for one in _named(STATUS_GROUPS, v)))

    @property
    def waits(self) -> tuple[WaitingKind, ...]:
        """The kinds of waiting that a term of `wait` matches."""
        return tuple(dict.fromkeys(one for v in self.values for one in _named(WAIT_GROUPS, v)))

    def __str__(self) -> str:
        """Return the term in the filter language."""
        sign = "-" if self.negated else ""
        if self.field is None:
            return sign + quote(self.values[0], word=True)
        return f"{sign}{self.field.name}{self.operator}{','.join(map(quote, self.values))}"


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that an invocation must all meet; without any, every invocation matches."""

    terms: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        """Return whether it has conditions."""
        return bool(self.terms)

    def __and__(self, other: Filter) -> Filter:
        """Return the conditions of both."""
        return Filter((*self.terms, *other.terms))

    def __str__(self) -> str:
        """Return the filter in the filter language."""
        return " ".join(map(str, self.terms))

    @property
    def needs_store(self) -> bool:
        """Whether it has conditions that only the store can answer.

        That a text does not occur can only be said of what was recorded.
        """
        return any(
            term.negated if term.field is None else term.field.source == "store"
            for term in self.terms
        )

    @property
    def needs_prices(self) -> bool:
        """Whether it has conditions on costs."""
        return any(term.field is not None and term.field.kind == "money" for term in self.terms)

    @property
    def texts(self) -> tuple[Term, ...]:
        """The conditions without a field."""
        return tuple(term for term in self.terms if term.field is None)

    @property
    def without_wait(self) -> Filter:
        """The filter without the conditions on what an invocation waits for."""
        return Filter(tuple(t for t in self.terms if t.field is None or t.field.kind != "wait"))

    @property
    def has_wait(self) -> bool:
        """Whether a condition is about what an invocation waits for."""
        return any(term.field is not None and term.field.kind == "wait" for term in self.terms)


def parse(text: str) -> Filter:
    """Return the filter that a text describes.

    Raises:
        FilterError: The text is not a filter; the title says what is wrong and where, and
            `position` is the place in the text.
    """
    from lark.exceptions import UnexpectedInput

    start = len(text) - len(text.lstrip())
    try:
        parser: Any = _parser()
        tree: Any = parser.parse(text.strip())
    except UnexpectedInput as error:
        raise _syntax_error(text, start + max(_place(error, text.strip()), 0)) from error
    return Filter(tuple(_term(child, start) for child in tree.children if child is not None))


def all_of(
    *,
    statuses: Iterable[str] = (),
    service: str | None = None,
    text: str | None = None,
    since: datetime | None = None,
    parent: str | None = None,
    id_prefix: str | None = None,
) -> Filter:
    """Return a filter from single conditions; None and nothing stand for no condition.

    Args:
        statuses: Accepted statuses.
        service: Name of the service; `*` has no special meaning.
        text: Words; each must match.
        since: Earliest creation time.
        parent: Id of the calling invocation.
        id_prefix: Beginning of the id.
    """
    named: list[tuple[str, Operator, tuple[str, ...]]] = [
        ("status", ":", tuple(statuses)),
        ("service", "=", (service,) if service else ()),
        ("since", ":", (since.isoformat(),) if since else ()),
        ("parent", "=", (parent,) if parent else ()),
        ("id", ":", (id_prefix,) if id_prefix else ()),
    ]
    terms = [Term(FIELDS[name], operator, values) for name, operator, values in named if values]
    terms += [Term(None, ":", (word,)) for word in (text or "").split()]
    return Filter(tuple(terms))


def quote(value: str, *, word: bool = False) -> str:
    """Return a value as it is written in a filter.

    Args:
        value: The value.
        word: Whether it stands alone, without a field.
    """
    plain = bool(_PLAIN_VALUE.fullmatch(value)) and not (
        word and (_FIELD_LIKE.match(value) or _OTHER_LANGUAGES.match(value))
    )
    if plain:
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse_seconds(text: str) -> float:
    """Return the seconds of `250ms`, `90s`, `15m`, `2h`, `3d` or `1w`; without a unit, seconds.

    Raises:
        ValueError: The text is not a length of time.
    """
    match = _LENGTH.fullmatch(text)
    if not match:
        raise ValueError(text)
    return float(match[1]) * _UNITS[match[2] or "s"]


def parse_time(text: str, now: datetime) -> datetime:
    """Return a time in UTC from an age, or from ISO 8601 (without a zone, in local time).

    Raises:
        ValueError: The text is neither.
    """
    try:
        if text[-1:] in "smhdw" and text[:1].isdigit():
            return now - timedelta(seconds=parse_seconds(text))
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(text) from error


def _named(groups: Mapping[str, tuple[_Name, ...]], value: str) -> tuple[_Name, ...]:
    """Return the members of a group, or else the name itself, which `parse` has checked."""
    name = value.lower()
    return groups.get(name) or (cast("_Name", name),)


@functools.cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(GRAMMAR, parser="lalr", lexer="contextual")


def _place(error: Any, text: str) -> int:
    place = getattr(error, "pos_in_stream", None)
    token = getattr(error, "token", None)
    if token is not None and token.type == "$END":
        return len(text)
    return place if isinstance(place, int) and place >= 0 else len(text)


def _syntax_error(text: str, place: int) -> FilterError:
    before, rest = text[:place], text[place:]
    opened = _open_quote(text)
    if opened is not None:
        return _error(text, opened, "this quote is not closed", 'Add a " at the end.')
    if before.endswith("-") and not rest.strip():
        return _error(text, place, "a condition must follow -", "Write -status:failed, or -word.")
    if before[-1:] in (":", "=", "<", ">", ","):
        return _error(text, place, "a value is missing", 'Write status:failed, or error:"a b".')
    return _error(text, place, "this is not expected here", "Separate conditions with spaces.")


def _open_quote(text: str) -> int | None:
    """Return the place of a quote that is not closed."""
    opened: int | None = None
    escaped = False
    for place, character in enumerate(text):
        if escaped:
            escaped = False
        elif opened is not None and character == "\\":
            escaped = True
        elif character == '"':
            opened = place if opened is None else None
    return opened


def _error(text: str, place: int, problem: str, hint: str) -> FilterError:
    title = f"The filter is wrong at character {place + 1}: {problem}"
    return FilterError(title, f"{text}\n{' ' * place}^\n{hint}", place, f"{problem}. {hint}")


def _term(tree: Any, offset: int) -> Term:
    sign, body = tree.children
    start = offset + (sign.start_pos if sign is not None else _first(body).start_pos)
    if body.data == "text":
        [token] = body.children
        if token.type == "WORD" and _OTHER_LANGUAGES.match(token):
            raise _field_error(
                offset + token.start_pos,
                f'"{token}" has no meaning here',
                "Conditions are all met: leave out AND and brackets. For OR, write "
                "status:failed,killed; for NOT, -key:u1. To search for this text, quote it.",
            )
        return Term(None, ":", (_value(token),), sign is not None, start)
    name, operator, *values = body.children
    place = offset + name.start_pos
    field = FIELDS.get(name.lower())
    if field is None:
        raise _unknown_field(str(name), place)
    sign_of: Any = operator.removeprefix(":") or ":"
    if sign_of not in field.operators:
        raise _field_error(
            offset + operator.start_pos,
            f"{field.name} cannot be compared with {sign_of}",
            f"Write {field.example}.",
        )
    tokens = [value.children[0] for value in values]
    term = Term(field, sign_of, tuple(map(_value, tokens)), sign is not None, start)
    for token, value in zip(tokens, term.values, strict=True):
        if problem := _problem(field, value):
            raise _field_error(offset + token.start_pos, *problem)
    return term


def _first(tree: Any) -> Any:
    return tree.children[0]


def _value(token: Any) -> str:
    text = str(token)
    return _ESCAPED.sub(r"\1", text[1:-1]) if token.type == "QUOTED" else text


def _unknown_field(name: str, place: int) -> FilterError:
    close = difflib.get_close_matches(name.lower(), FIELDS, 1)
    meant = f"Did you mean {close[0]}? " if close else ""
    return _field_error(
        place,
        f'"{name}" is not a field',
        f"{meant}Fields: {', '.join(FIELDS)}. To search for this text, quote it.",
    )


def _field_error(place: int, problem: str, hint: str) -> FilterError:
    return FilterError(
        f"The filter is wrong at character {place + 1}: {problem}",
        hint,
        place,
        f"{problem}. {hint}",
    )


def _problem(field: Field, value: str) -> tuple[str, str] | None:
    """Return what is wrong with a value and what to write instead; None if it is right."""
    if field.values and value.lower() not in field.values:
        close: Sequence[str] = difflib.get_close_matches(value.lower(), field.values, 1)
        meant = f"Did you mean {close[0]}? " if close else ""
        return f'"{value}" is not a {field.name}', f"{meant}Known: {', '.join(field.values)}."
    try:
        match field.kind:
            case "time":
                parse_time(value, datetime.now(UTC))
            case "length":
                parse_seconds(value)
            case "number":
                int(value)
            case "money":
                float(value.removeprefix("$"))
            case _:
                pass
    except ValueError:
        nouns = {
            "time": "an age, such as 15m, or an ISO 8601 time",
            "length": "a length of time, such as 30s",
            "number": "a whole number",
            "money": "an amount in dollars",
        }
        return f'"{value}" is not {nouns[field.kind]}', f"Write {field.example}."
    return None
