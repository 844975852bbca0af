"""The parts of matching commands that were not compared, because the recording lacks them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from playhead.conventions import MODEL_STEPS
from playhead.journal.commands import Command
from playhead.replay.divergence import place_of
from playhead.replay.engine.calls import Call, Pair
from playhead.replay.report import NotCompared

__all__ = ["not_compared", "not_compared_at_all"]

_REQUEST = ("tools", "settings", "output schema")
_ORDER = ("prompt", *_REQUEST, "model", "arguments", "duration")


def not_compared(
    pairs: Iterable[Pair], steps: Mapping[int, Mapping[str, Any]]
) -> tuple[NotCompared, ...]:
    """Return what was not compared of each pair of a call and its recorded command.

    Args:
        pairs: The calls of a run, with the recorded commands that answered them.
        steps: `Recording.steps`.
    """
    known = (
        (pair.recorded, _missing(pair.call, pair.recorded, steps.get(pair.recorded.command_index)))
        for pair in pairs
        if pair.recorded is not None
    )
    return _collected(known, "not in the recording")


def not_compared_at_all(commands: Iterable[Command]) -> tuple[NotCompared, ...]:
    """Return what a comparison that only asks the SDK leaves out."""

    def parts(command: Command) -> Iterator[str]:
        if command.type == "Run" and command.name in MODEL_STEPS:
            yield from ("prompt", *_REQUEST, "model")
        elif command.type == "Run":
            yield "arguments"
        elif command.type == "Sleep":
            yield "duration"

    return _collected(((c, parts(c)) for c in commands), "only the SDK was asked")


def _missing(call: Call, recorded: Command, annotation: Mapping[str, Any] | None) -> Iterator[str]:
    known = annotation or {}
    if recorded.type == "Sleep":
        if known.get("millis") is None and recorded.appended_at is None:
            yield "duration"
        return
    if recorded.type != "Run":
        return
    whole = "arguments" in known and call.arguments is not None
    if recorded.name not in MODEL_STEPS:
        if not whole:
            yield "arguments"
        return
    if not whole:
        if "messages" not in known or call.messages is None:
            yield "prompt"
        yield from _REQUEST
    if not whole or "model" not in known["arguments"]:
        yield "model"


def _collected(
    found: Iterable[tuple[Command, Iterable[str]]], reason: str
) -> tuple[NotCompared, ...]:
    places: dict[str, list[str]] = {}
    for command, parts in found:
        for part in parts:
            places.setdefault(part, []).append(place_of(command.index, command.command_index))
    named = [part for part in _ORDER if part in places]
    return tuple(NotCompared(part, tuple(places[part]), reason) for part in named)
