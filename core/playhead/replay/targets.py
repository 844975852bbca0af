"""The result that a key of a what-if names, and results given as text."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from playhead.conventions import MODEL_STEPS
from playhead.errors import ReplayError
from playhead.restate.protocol import FIRST_AWAKEABLE_SIGNAL

if TYPE_CHECKING:
    from playhead.journal.commands import Command, Journal, ResultKey

__all__ = ["Target", "asks_model", "is_message", "result_of_text", "signal_key", "target_of"]

_JOURNAL_INDEX = re.compile(r"#?(\d+)")
_ORDINAL = re.compile(r"command (\d+)")
_AWAKEABLE = re.compile(r"awakeable:([1-9]\d*)")


class Target(NamedTuple):
    """A result that a change replaces."""

    key: ResultKey
    command: Command | None
    """None for awakeables and signals, which have no command."""


def target_of(journal: Journal, name: str) -> Target:
    """Return the result with this name; see `WhatIfQuestion.changes`.

    Raises:
        ReplayError: The name has another form, or the journal has no such result.
    """
    if found := _JOURNAL_INDEX.fullmatch(name):
        return _at(journal, int(found[1]))
    if found := _ORDINAL.fullmatch(name):
        if int(found[1]) >= len(journal.commands):
            last = len(journal.commands) - 1
            raise ReplayError(f"The journal has no {name}", f"It has commands 0 to {last}.")
        return _of(journal, journal.commands[int(found[1])])
    key = signal_key(name)
    if key is None:
        raise ReplayError(
            f"{name!r} does not name a result",
            "Give a journal index (4 or '#4'), 'command 2', awakeable:1 or signal:NAME.",
        )
    if key not in journal.by_key:
        raise ReplayError(
            f"The journal has no result of {name} to change", "Give one with --answer."
        )
    return Target(key, None)


def signal_key(name: str) -> ResultKey | None:
    """Return the key of the result that `awakeable:N` or `signal:NAME` names; else None."""
    kind, _, rest = name.partition(":")
    if found := _AWAKEABLE.fullmatch(name):
        return ("signal", FIRST_AWAKEABLE_SIGNAL + int(found[1]) - 1)
    return ("signal", rest) if kind == "signal" else None


def asks_model(command: Command | None) -> bool:
    """Return whether a command is a model call."""
    return command is not None and command.type == "Run" and command.name in MODEL_STEPS


def is_message(value: Any) -> bool:
    """Return whether a value is a model's whole answer, as Pydantic AI or OpenAI's SDK write it."""
    if not isinstance(value, dict):
        return False
    members = cast("dict[str, Any]", value)
    return isinstance(members.get("parts"), list) or isinstance(members.get("output"), list)


def result_of_text(text: str, *, of_model: bool) -> Any:
    """Return the result that a user wrote as text.

    Args:
        text: JSON. For a model call, JSON of its whole answer, or else the text of its answer.
        of_model: Whether it is the result of a model call.

    Raises:
        ValueError: The text is not JSON.
    """
    try:
        value = json.loads(text)
    except ValueError:
        if of_model and not text.lstrip().startswith("{"):
            return text
        raise
    return value if not of_model or isinstance(value, str) or is_message(value) else text


def _at(journal: Journal, index: int) -> Target:
    command = next((c for c in journal.commands if c.index == index), None)
    if command is not None:
        return _of(journal, command)
    result = next((r for r in journal.results if r.index == index), None)
    if result is None:
        last = len(journal.commands) + len(journal.results) - 1
        raise ReplayError(f"The journal has no entry #{index}", f"It has entries #0 to #{last}.")
    if result.key[0] == "signal":
        return Target(result.key, None)
    owner = next((c for c in journal.commands if c.completion_id == result.key[1]), None)
    if owner is None:
        raise ReplayError(f"#{index} is the invocation id of a callee, which cannot be changed")
    return Target(result.key, owner)


def _of(journal: Journal, command: Command) -> Target:
    from playhead.journal.commands import title_of

    title = f"#{command.index} ({title_of(command)})"
    if command.completion_id is None:
        raise ReplayError(f"{title} has no result to change")
    key: ResultKey = ("completion", command.completion_id)
    if key not in journal.by_key:
        raise ReplayError(
            f"The journal has no result of {title} to change", "Give one with --answer."
        )
    return Target(key, command)
