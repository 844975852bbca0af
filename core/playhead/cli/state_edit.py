"""Edits of the state of a virtual object: the difference, the question, and the outcome."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING, Any, Literal

import click

from playhead.cli.errors import CliError, Exit
from playhead.cli.questions import confirm
from playhead.settings import Settings

if TYPE_CHECKING:
    from playhead.model import ObjectState

__all__ = ["StateChange", "edit_state", "parse_change"]

LINES = 40
"""Lines of a difference that are shown."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """A new value of one key of the state, or its deletion."""

    action: Literal["set", "delete"]
    name: str
    raw: bytes | None = None
    """The new value; None for a deletion."""


def parse_change(words: Sequence[str]) -> StateChange:
    """Return the change in the words `set NAME JSON` or `delete NAME`; `-` reads the JSON.

    Raises:
        UsageError: The words are something else, or the value is not JSON.
    """
    from playhead.restate.state_edit import encode_json

    match tuple(words):
        case ("delete", name):
            return StateChange("delete", name)
        case ("set", name, text):
            text = sys.stdin.read() if text == "-" else text
            try:
                return StateChange("set", name, encode_json(text))
            except (ValueError, RecursionError) as error:
                raise click.UsageError(
                    f"The value is not JSON: {error}. Write texts in quotes: '\"text\"'."
                ) from error
        case _:
            raise click.UsageError("After SERVICE/KEY: set NAME JSON, or delete NAME.")


async def edit_state(
    settings: Settings, service: str, key: str, change: StateChange, *, yes: bool, as_json: bool
) -> None:
    """Show the difference, ask, and change the state unless it has changed since it was read.

    Raises:
        CliError: The server cannot be read, the key to delete does not exist, or the answer is no.
        RefusedError: The state has changed since it was read, or the service has no state.
    """
    from playhead.cli.output import echo_json, note
    from playhead.reader.opening import open_reader
    from playhead.restate.client import RestateClient
    from playhead.restate.state_edit import replace_state

    async with open_reader(settings) as reader:
        found = await _read(reader, service, key, change)
    before = {value.key: value.raw for value in found.values}
    after = {name: raw for name, raw in before.items() if name != change.name}
    if change.raw is not None:
        after[change.name] = change.raw
    if after == before:
        outcome = "unchanged"
        note("The value is the same: nothing was changed.")
    else:
        for line in _difference(before.get(change.name), change.raw):
            note(line)
        if found.holder:
            note(f"{found.holder} holds the lock: Restate changes the state when that invocation "
                 "has ended, unless it changes the state itself.")  # fmt: skip
        if not yes:
            confirm(f"{change.action.capitalize()} {change.name!r} of {found.name}?")
        async with RestateClient(settings.admin_url, auth_token=settings.auth_token) as client:
            outcome = await replace_state(client, service, key, before, after)
        if not as_json:
            note(DONE[outcome])
    if as_json:
        echo_json(_document(found, change, outcome))


DONE = {
    "applied": "The state was changed.",
    "waiting": "Accepted: Restate changes it when the lock is free, if it is still the same.",
}


async def _read(reader: Any, service: str, key: str, change: StateChange) -> ObjectState:
    """Return the object; one without state is empty, and gets its first value."""
    from playhead.errors import NotFoundError
    from playhead.model import ObjectState

    try:
        found: ObjectState = await reader.objects.object_state(service, key)
    except NotFoundError:
        if change.action == "delete":
            raise
        return ObjectState(service, key, (), None, None, None, "live")
    if found.origin == "stored":
        raise CliError(
            "No Restate server answers: nothing was changed",
            "The copy of the recorder cannot be edited. Set RESTATE_ADMIN_URL.",
        )
    names = [value.key for value in found.values]
    if change.action == "delete" and change.name not in names:
        raise CliError(
            f"The state of {found.name} has no key {change.name!r}",
            f"Its keys: {', '.join(names) or 'none'}.",
            Exit.USAGE,
        )
    return found


def _difference(before: bytes | None, after: bytes | None) -> Iterator[str]:
    """Yield the lines that are removed and added."""
    from playhead.formatting import payload_text

    texts = ["" if raw is None else payload_text(raw) for raw in (before, after)]
    lines = unified_diff(texts[0].splitlines(), texts[1].splitlines(), lineterm="", n=1)
    found = [line for line in lines if not line.startswith(("--- ", "+++ ", "@@"))]
    yield from found[:LINES]
    if len(found) > LINES:
        yield f"... {len(found) - LINES} more lines"


def _document(found: ObjectState, change: StateChange, outcome: str) -> dict[str, Any]:
    from playhead.values import decode_value

    before = next((one.value for one in found.values if one.key == change.name), None)
    return {
        "service": found.service,
        "key": found.key,
        "action": change.action,
        "name": change.name,
        "before": before,
        "after": None if change.raw is None else decode_value(change.raw),
        "outcome": outcome,
        "holder": found.holder,
        "missing": found.missing,
    }
