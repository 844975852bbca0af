"""The differences between a recorded command and the call that it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from playhead.journal.commands import Command, fields_of, key_of, title_of
from playhead.replay.differences.prompts import argument_differences, prompt_differences
from playhead.replay.divergence import Divergence
from playhead.replay.engine.calls import Call
from playhead.values import readable, to_json_line

__all__ = ["compare", "text_of"]

_CUT = 400
_SLACK_MS = 250
_SLACK = 0.05
_KINDS = {
    "key": "target",
    "target": "target",
    "parameter": "parameter",
    "headers": "headers",
    "idempotency_key": "idempotency key",
}


def compare(
    recorded: Command, call: Call, annotation: Mapping[str, Any] | None = None
) -> Iterator[Divergence]:
    """Yield the differences of one pair.

    Args:
        recorded: The command of the journal.
        call: The call of today's code.
        annotation: The step's member of `Recording.steps`, if it has one.
    """

    def divergence(kind: str, old: str | None, new: str | None, fatal: bool = True) -> Divergence:
        index, title = recorded.command_index, title_of(recorded)
        return Divergence(index, kind, old, new, call.where, fatal, title, recorded.index)

    if key_of(recorded) != call.key:
        kind = "renamed" if call.type in ("Run", "Sleep") else "target"
        yield divergence(kind, key_of(recorded)[1] or "(no name)", call.name or "(no name)")
    old = fields_of(recorded)
    for name, kind in _KINDS.items():
        if name in old and name in call.fields and old[name] != call.fields[name]:
            yield divergence(kind, text_of(old[name]), text_of(call.fields[name]))
    if "value" in old and "value" in call.fields:
        before, after = _end(old), _end(call.fields)
        if before != after:
            kind = "output" if call.type == "Output" else "value"
            yield divergence(kind, text_of(before), text_of(after))
    yield from _durations(recorded, old, call, annotation, divergence)
    if not annotation:
        return
    if call.type != "Run":
        return
    if "arguments" in annotation and call.arguments is not None:
        found = argument_differences(call.name, annotation["arguments"], call.arguments)
    elif "messages" in annotation and call.messages is not None:
        found = prompt_differences(annotation["messages"], call.messages)
    else:
        return
    for difference in found:
        changed = divergence(difference.kind, difference.recorded, difference.current, False)
        yield replace(changed, cause=difference.cause)


def text_of(value: Any) -> str | None:
    """Return a field as text; None for None."""
    if value is None:
        return None
    return _cut(readable(value) if isinstance(value, bytes) else value)


def _durations(
    recorded: Command,
    old: Mapping[str, Any],
    call: Call,
    annotation: Mapping[str, Any] | None,
    divergence: Callable[..., Divergence],
) -> Iterator[Divergence]:
    now: int | None = call.fields.get("millis")
    due: int | None = old.get("wake_up_time") or old.get("invoke_time")
    before: int | None = (annotation or {}).get("millis")
    if before is None and due is not None:
        began = _milliseconds(recorded.appended_at)
        if began is None:
            return
        # The wake-up time follows the SDK's clock, the entry's time the server's clock.
        before = max(due - began, 0)
        if now is not None and abs(before - now) <= max(_SLACK_MS, _SLACK * max(before, now)):
            return
    if before != now:
        yield divergence("duration", _seconds(before), _seconds(now), False)


def _seconds(millis: int | None) -> str | None:
    return None if millis is None else f"{millis / 1000:g} s"


def _end(fields: Mapping[str, Any]) -> Any:
    failure = fields.get("failure")
    return fields["value"] if failure is None else f"failure {failure}"


def _milliseconds(at: str | None) -> int | None:
    if at is None:
        return None
    try:
        return int(datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() * 1000)
    except ValueError:
        return None


def _cut(value: Any) -> str:
    text = value if isinstance(value, str) else to_json_line(value)
    return text if len(text) <= _CUT else f"{text[:_CUT]}… ({len(text)} characters)"
