"""What differs between a recorded command and the call that it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from playhead.replay.arguments import LLM_STEPS, as_text, changed_leaves
from playhead.replay.calls import Call, fields_of, key_of, title_of
from playhead.replay.commands import Command
from playhead.replay.report import Divergence, readable

__all__ = ["compare", "text_of"]

_CUT = 400
_MOST_LEAVES = 8
_SLACK_MS = 250
_SLACK = 0.05
_KINDS = {
    "key": "target",
    "target": "target",
    "parameter": "parameter",
    "headers": "headers",
    "idempotency_key": "idempotency key",
    "value": "value",
    "failure": "value",
}


def compare(
    recorded: Command, call: Call, noted: Mapping[str, Any] | None = None
) -> Iterator[Divergence]:
    """The differences of one pair.

    Args:
        recorded: the command of the journal.
        call: what the code does now.
        noted: what the recording says about the step's arguments, when it does.
    """

    def divergence(kind: str, old: str | None, new: str | None, fatal: bool = True) -> Divergence:
        index, title = recorded.command_index, title_of(recorded)
        return Divergence(index, kind, old, new, call.where, fatal, title)

    if key_of(recorded) != call.key:
        kind = "renamed" if call.type in ("Run", "Sleep") else "target"
        yield divergence(kind, key_of(recorded)[1] or "(no name)", call.about or "(no name)")
    old = fields_of(recorded)
    for name, kind in _KINDS.items():
        if name in old and name in call.fields and old[name] != call.fields[name]:
            kind = "output" if call.type == "Output" else kind
            yield divergence(kind, text_of(old[name]), text_of(call.fields[name]))
    yield from _durations(recorded, old, call, noted, divergence)
    if noted and call.type == "Run" and "arguments" in noted:
        kind = "prompt" if call.about in LLM_STEPS else "arguments"
        leaves = list(changed_leaves(noted["arguments"], call.arguments or {}))
        for path, before, after in leaves[:_MOST_LEAVES]:
            yield divergence(kind, f"{path} = {_cut(before)}", f"{path} = {_cut(after)}", False)
        if len(leaves) > _MOST_LEAVES:
            yield divergence(kind, None, f"and {len(leaves) - _MOST_LEAVES} more places", False)


def text_of(value: Any) -> str | None:
    """A field for people; None where there is none."""
    if value is None:
        return None
    return _cut(readable(value) if isinstance(value, bytes) else value)


def _durations(
    recorded: Command, old: Mapping[str, Any], call: Call, noted: Any, divergence: Any
) -> Iterator[Divergence]:
    due = old.get("wake_up_time") or old.get("invoke_time")
    now = call.fields.get("millis")
    if due is None and now is None:
        return
    exact = (noted or {}).get("millis")
    if exact is None:
        began = _milliseconds(recorded.appended_at)
        if due is not None and began is None:
            return
        # The SDK's clock says when, the server's when it was told: the two differ a little.
        exact = None if due is None else due - (began or 0)
        same = exact is not None and now is not None
        if same and abs(exact - now) <= max(_SLACK_MS, _SLACK * max(exact, now)):
            return
    if exact != now:
        before = None if exact is None else f"{max(exact, 0) / 1000:g} s"
        after = None if now is None else f"{now / 1000:g} s"
        yield divergence("duration", before, after, False)


def _milliseconds(at: str | None) -> int | None:
    if at is None:
        return None
    try:
        return int(datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() * 1000)
    except ValueError:
        return None


def _cut(value: Any) -> str:
    text = value if isinstance(value, str) else as_text(value)
    return text if len(text) <= _CUT else f"{text[:_CUT]}… ({len(text)} characters)"
