"""Journal entries as steps: each command with its result, its errors, and what it refers to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from playhead.decode.registry import DecodedRun, decode_run
from playhead.journal import entries
from playhead.model import Step, StepEvent, StepKind, StepState, ToolCall
from playhead.restate import ids
from playhead.restate.protocol import FIRST_AWAKEABLE_SIGNAL
from playhead.restate.rows import EventRow, JournalRow
from playhead.values import as_dict, as_int, as_text

__all__ = ["steps", "unrelated_events"]

_KINDS: Mapping[str, StepKind] = {
    "Input": "input", "Output": "output", "Run": "run", "Sleep": "sleep", "Call": "call",
    "OneWayCall": "send", "AttachInvocation": "attach", "GetInvocationOutput": "attach",
    "GetPromise": "promise", "PeekPromise": "promise", "CompletePromise": "promise",
    "SendSignal": "signal", "CompleteAwakeable": "signal", "Awakeable": "awakeable",
}  # fmt: skip
_STATE_VERBS = {
    "GetLazyState": "get", "GetEagerState": "get", "GetState": "get", "SetState": "set",
    "ClearState": "clear", "ClearAllState": "clear all state", "GetLazyStateKeys": "state keys",
    "GetEagerStateKeys": "state keys", "GetStateKeys": "state keys",
}  # fmt: skip
_PROMISE_VERBS = {"GetPromise": "await", "PeekPromise": "peek", "CompletePromise": "complete"}
_INPUTS = frozenset({"SetState", "Call", "OneWayCall", "CompletePromise", "SendSignal",
                     "CompleteAwakeable", "Input"})  # fmt: skip


def steps(
    invocation_id: str,
    journal: Sequence[JournalRow],
    *,
    events: Iterable[EventRow] = (),
    payloads: Mapping[int, bytes] | None = None,
    waiting_signals: Iterable[int] = (),
    active: bool = False,
) -> list[Step]:
    """The steps of one journal, in journal order; awakeables still waited for come last.

    Args:
        invocation_id: whose journal it is.
        journal: all its rows in order of index.
        events: what the server noted about it.
        payloads: `raw` by journal index; steps whose payloads are not here are `truncated`.
        waiting_signals: indexes of signals that the server says it waits for.
        active: whether it may go on, so that a step that failed is being retried.
    """
    payloads = payloads or {}
    commands = [row for row in journal if row.is_command]
    notifications = {
        (row.entry_type, number): row
        for row in journal
        if (number := entries.completion_id(row)) is not None
    }
    related = _related_events(events, len(commands))
    found = [
        _command(invocation_id, row, place, notifications, related[place], payloads, active)
        for place, row in enumerate(commands)
    ]
    signals = [row for row in journal if row.entry_type == "Notification: Signal"]
    found += [_signal(invocation_id, row, payloads) for row in signals]
    found.sort(key=lambda step: step.index)
    seen = {entries.signal(row) for row in signals}
    found += [
        _waited_for(invocation_id, index)
        for index in waiting_signals
        if index >= FIRST_AWAKEABLE_SIGNAL and index not in seen
    ]
    return _with_tool_arguments(found)


def unrelated_events(journal: Sequence[JournalRow], events: Iterable[EventRow]) -> list[StepEvent]:
    """The events that name no command of this journal, oldest first."""
    count = sum(row.is_command for row in journal)
    return [step_event(event) for event in events if _related_command(event, count) is None]


def step_event(event: EventRow) -> StepEvent:
    """A row of sys_journal_events as people read it."""
    document = event.document
    failure = as_dict(document.get("last_failure")) or document
    return StepEvent(
        at=event.at,
        kind=event.type,
        message=as_text(failure.get("error_message")) or "",
        stacktrace=as_text(failure.get("error_stacktrace")),
        code=as_int(failure["error_code"]) if "error_code" in failure else None,
    )


def _related_command(event: EventRow, count: int) -> int | None:
    place = event.document.get("related_command_index")
    if place is None:
        place = as_dict(event.document.get("last_failure")).get("related_command_index")
    return place if isinstance(place, int) and 0 <= place < count else None


def _related_events(events: Iterable[EventRow], count: int) -> Mapping[int, list[StepEvent]]:
    related: dict[int, list[StepEvent]] = defaultdict(list)
    for event in events:
        place = _related_command(event, count)
        if place is not None:
            related[place].append(step_event(event))
    return related


def _command(
    invocation_id: str,
    row: JournalRow,
    place: int,
    notifications: Mapping[tuple[str, int], JournalRow],
    events: Sequence[StepEvent],
    payloads: Mapping[int, bytes],
    active: bool,
) -> Step:
    type_ = row.entry_type.removeprefix("Command: ")
    number = entries.result_id(row)
    result = notifications.get((f"Notification: {type_}", number)) if number is not None else None
    given, came = _read(row, payloads), _read(result, payloads)
    truncated = any(
        r is not None and entries.has_payload(r) and r.index not in payloads for r in (row, result)
    )
    run = DecodedRun("run")
    if type_ == "Run":
        read = result is not None and result.index in payloads and came.failure is None
        run = decode_run(row.name, came.value, known=read)
    failed = came.failure or (given.failure if type_ == "Output" else None)
    waits = number is not None and result is None and not row.completed
    return Step(
        index=row.index,
        command_index=place,
        kind=run.kind if type_ == "Run" else _KINDS.get(type_, _state_or_other(type_)),
        type=row.entry_type,
        name=_name(row, type_),
        state=_state(result, failed, waits, bool(events) and active, _says_failure(row, type_)),
        started_at=row.appended_at,
        ended_at=(result or row).appended_at if not waits else None,
        completion_id=number,
        notification_index=result.index if result else None,
        input=given.value if type_ in _INPUTS else None,
        output=came.value if result else given.value if type_ not in _INPUTS else None,
        error=failed,
        llm=run.llm,
        tool=run.tool,
        child_id=row.invoked_id or _target_id(row),
        awakeable_id=_awakeable(row, type_, invocation_id),
        state_key=as_text(row.lite.get("key")) if type_ in _STATE_VERBS else None,
        wake_at=row.wake_at
        or _time(row.lite.get("wake_up_time" if type_ == "Sleep" else "invoke_time")),
        events=tuple(events),
        raw_length=row.raw_length + (result.raw_length if result else 0),
        truncated=truncated,
    )


def _read(row: JournalRow | None, payloads: Mapping[int, bytes]) -> entries.Content:
    if row is None or row.index not in payloads:
        return entries.Content()
    return entries.content(row, payloads[row.index])


def _says_failure(row: JournalRow, type_: str) -> bool:
    return type_ == "Output" and row.lite.get("result") == "Failure"


def _state(
    result: JournalRow | None, failed: str | None, waits: bool, retried: bool, ended_badly: bool
) -> StepState:
    if failed or ended_badly or (result is not None and result.lite.get("result") == "Failure"):
        return "failed"
    if waits:
        return "retrying" if retried else "pending"
    return "done"


def _state_or_other(type_: str) -> StepKind:
    return "state" if type_ in _STATE_VERBS else "other"


def _name(row: JournalRow, type_: str) -> str:
    """What people call the step: its own name, else what it does to what."""
    if row.name:
        return row.name
    key = as_text(row.lite.get("key")) or row.promise_name or ""
    if type_ in _STATE_VERBS:
        return f"{_STATE_VERBS[type_]} {key}".strip()
    if type_ in _PROMISE_VERBS:
        return f"{_PROMISE_VERBS[type_]} {key}".strip()
    if type_ in ("Call", "OneWayCall"):
        return row.invoked_target or _target(row)
    words = {"CompleteAwakeable": "complete awakeable", "SendSignal": "send signal",
             "AttachInvocation": "attach", "GetInvocationOutput": "get output"}  # fmt: skip
    return words.get(type_, type_.lower())


def _target(row: JournalRow) -> str:
    target = as_dict(row.lite.get("invocation_target"))
    for kind in target.values():
        parts = as_dict(kind)
        return "/".join(str(parts[p]) for p in ("name", "key", "handler") if p in parts)
    return ""


def _target_id(row: JournalRow) -> str | None:
    """The invocation that a call made, or that an attach or signal is about."""
    for name in ("invocation_id", "target_invocation_id"):
        if found := as_text(row.lite.get(name)):
            return found
    target = as_dict(row.lite.get("target"))
    return as_text(target.get("InvocationId"))


def _awakeable(row: JournalRow, type_: str, invocation_id: str) -> str | None:
    return as_text(row.lite.get("id")) if type_ == "CompleteAwakeable" else None


def _time(milliseconds: object) -> datetime | None:
    if not isinstance(milliseconds, int) or milliseconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _signal(invocation_id: str, row: JournalRow, payloads: Mapping[int, bytes]) -> Step:
    number = entries.signal(row)
    came = _read(row, payloads)
    kind: StepKind = "signal"
    name = f"signal {number}"
    if entries.is_cancel(number):
        kind, name = "cancel", "cancel"
    elif entries.is_awakeable(number):
        kind, name = "awakeable", "awakeable"
    return Step(
        index=row.index,
        command_index=None,
        kind=kind,
        type=row.entry_type,
        name=name,
        state="failed" if row.lite.get("result") == "Failure" else "done",
        started_at=None if kind == "awakeable" else row.appended_at,
        ended_at=row.appended_at,
        notification_index=row.index,
        output=came.value,
        error=came.failure,
        awakeable_id=_awakeable_id(invocation_id, number),
        raw_length=row.raw_length,
        truncated=entries.has_payload(row) and row.index not in payloads,
    )


def _waited_for(invocation_id: str, number: int) -> Step:
    return Step(
        index=-1,
        command_index=None,
        kind="awakeable",
        type="Awakeable",
        name="awakeable",
        state="pending",
        started_at=None,
        ended_at=None,
        awakeable_id=_awakeable_id(invocation_id, number),
    )


def _awakeable_id(invocation_id: str, number: Any) -> str | None:
    if not entries.is_awakeable(number):
        return None
    try:
        return ids.awakeable_id(invocation_id, number)
    except ValueError:
        return None


def _with_tool_arguments(found: list[Step]) -> list[Step]:
    """Tool steps with the arguments of the calls that the models asked for.

    The integration runs the tools of one answer in the order of its calls, so that the nth
    step of a tool belongs to the nth call of it.
    """
    asked: dict[str, list[ToolCall]] = defaultdict(list)
    for place, step in enumerate(found):
        for call in step.llm.tool_calls if step.llm else ():
            asked[call.name].append(call)
        if step.kind != "tool":
            continue
        name = step.tool.name if step.tool else step.name.split()[-1]
        if asked[name]:
            call = asked[name].pop(0)
            tool = ToolCall(
                name, call.arguments, call.call_id, step.tool.result if step.tool else None
            )
            found[place] = replace(step, tool=tool, input=call.arguments)
    return found
