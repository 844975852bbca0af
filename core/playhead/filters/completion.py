"""Completion and help for a filter while it is being typed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from playhead.errors import FilterError
from playhead.filters.fields import FIELDS, Field
from playhead.filters.language import parse, quote

__all__ = ["Completion", "complete", "last_condition"]

_TERM = re.compile(r'(?:"(?:\\.|[^"\\])*"?|[^\s"])*$')
_VALUE = re.compile(r"-?([A-Za-z_]+)(:[<>]=?|[<>]=?|:(?!//)|=)(.*)", re.DOTALL)
_LAST_VALUE = re.compile(r'(?:"(?:\\.|[^"\\])*"?|[^,"])*$')
FEW = 8
"""Candidates of a completion."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What can stand at the end of a filter, and help for it."""

    texts: tuple[str, ...]
    """The whole filter with each candidate, best first."""
    candidates: tuple[str, ...]
    """The candidates: names of fields, or values."""
    help: str
    """The problem with the filter, or else what can be typed, in one line."""
    wrong: bool = False
    """Whether the filter has a problem that more typing does not solve."""


def complete(text: str, known: Mapping[str, Sequence[str]] | None = None) -> Completion:
    """Return how a filter can continue.

    Args:
        text: The filter, up to the cursor.
        known: Values that exist, by name of the field.
    """
    start = last_condition(text)
    head, last = text[:start], text[start:]
    typed = _VALUE.fullmatch(last)
    field = FIELDS.get(typed[1].lower()) if typed else None
    if typed and field:
        found = _values(field, typed[3], known or {})
        given = last[: len(last) - len(_last(typed[3]))]
        made = Completion(
            tuple(head + given + quote(value) for value in found), found, _describe(field, found)
        )
    else:
        sign = "-" if last.startswith("-") else ""
        begun = last.removeprefix("-").lower()
        names = [name for name in FIELDS if name.startswith(begun)] if begun or sign else []
        texts = tuple(f"{head}{sign}{name}{FIELDS[name].operators[0]}" for name in names)
        made = Completion(texts, tuple(names), _fields(names))
    return _with_problem(made, text, last)


def last_condition(text: str) -> int:
    """Return the place at which the last condition begins; the end of the text after a space."""
    match = _TERM.search(text)
    return match.start() if match else len(text)


def _with_problem(made: Completion, text: str, last: str) -> Completion:
    """Add the problem of the filter, unless it lies in the term that is still being typed."""
    try:
        parse(text)
    except FilterError as error:
        typing = error.position >= len(text) - len(last)
        if typing and (made.candidates or not last or last[-1] in ":=<>,-"):
            return made
        if typing and last.count('"') % 2:
            return Completion(made.texts, made.candidates, 'Close the quote with ".')
        return Completion(made.texts, made.candidates, error.short, wrong=True)
    return made


def _last(values: str) -> str:
    match = _LAST_VALUE.search(values)
    return match[0] if match else ""


def _values(field: Field, typed: str, known: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    begun = _last(typed).removeprefix('"').lower()
    choices: Iterable[str] = field.values or known.get(field.name, ())
    found = [value for value in choices if value.lower().startswith(begun)]
    return tuple(value for value in found if value.lower() != begun)[:FEW]


def _describe(field: Field, values: Sequence[str]) -> str:
    listed = f" {'  '.join(values)}" if values else f" For example: {field.example}"
    return f"{field.name}: {field.description}{listed}"


def _fields(names: Sequence[str]) -> str:
    if len(names) == 1:
        field = FIELDS[names[0]]
        return f"{field.name}: {field.description} For example: {field.example}"
    if names:
        return f"Fields: {'  '.join(names)}"
    return "Words, or fields: status:failed  service:Chat  tokens>1000  since:1h  -key:u1"
