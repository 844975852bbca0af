"""Journal entries as steps: each command with its result, its errors and its references."""

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

__all__ = ["awakeable", "steps", "unrelated_events"]

_KINDS: Mapping[str, StepKind] = {
    "Input": "input", "Output": "output", "Run": "run", "Sleep": "sleep", "Call": "call",
    "OneWayCall": "send", "AttachInvocation": "attach", "GetInvocationOutput": "attach",
    "GetPromise": "promise", "PeekPromise": "promise", "CompletePromise": "promise",
    "SendSignal": "signal", "CompleteAwakeable": "signal", "Awakeable": "awakeable",
}  # fmt: skip
_STATE_LABELS = {
    "GetLazyState": "get", "GetEagerState": "get", "GetState": "get", "SetState": "set",
    "ClearState": "clear", "ClearAllState": "clear all state", "GetLazyStateKeys": "state keys",
    "GetEagerStateKeys": "state keys", "GetStateKeys": "state keys",
}  # fmt: skip
_PROMISE_LABELS = {"GetPromise": "await", "PeekPromise": "peek", "CompletePromise": "complete"}
_WITH_INPUT = frozenset({"SetState", "Call", "OneWayCall", "CompletePromise", "SendSignal",
                     "CompleteAwakeable", "Input"})  # fmt: skip


def steps(
    invocation_id: str,
    journal: Sequence[JournalRow],
    *,
    events: Iterable[EventRow] = (),
    payloads: Mapping[int, bytes] | None = None,
    waiting_signals: Iterable[int] = (),
    active: bool = True,
) -> list[Step]:
    """Return the steps of one journal in journal order, then the awakeables still awaited.

    Args:
        invocation_id: Id of the journal's invocation.
        journal: All rows of the journal, ordered by index.
        events: Rows of sys_journal_events for this invocation.
        payloads: `raw` by journal index. Steps with a payload that is not here are `truncated`.
        waiting_signals: Indexes of the signals that the invocation is suspended on.
        active: Whether the invocation has not ended. Its steps without a result are `pending`, or
            `retrying` after a failure; those of an ended one are `unfinished`.
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
        _command_step(row, ordinal, notifications, related[ordinal], payloads, active)
        for ordinal, row in enumerate(commands)
    ]
    signals = [row for row in journal if row.entry_type == "Notification: Signal"]
    found += [_signal_step(invocation_id, row, payloads) for row in signals]
    found.sort(key=lambda step: step.index)
    received = {entries.signal_id(row) for row in signals}
    found += [
        awakeable(_awakeable_id(invocation_id, index), _waiting_state((), active))
        for index in waiting_signals
        if index >= FIRST_AWAKEABLE_SIGNAL and index not in received
    ]
    return _with_tool_arguments(found)


def unrelated_events(journal: Sequence[JournalRow], events: Iterable[EventRow]) -> list[StepEvent]:
    """Return the events that name no command of this journal, oldest first."""
    count = sum(row.is_command for row in journal)
    return [step_event(event) for event in events if _related_command(event, count) is None]


def step_event(event: EventRow) -> StepEvent:
    """Return a row of sys_journal_events as a step's event."""
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
    ordinal = event.document.get("related_command_index")
    if ordinal is None:
        ordinal = as_dict(event.document.get("last_failure")).get("related_command_index")
    return ordinal if isinstance(ordinal, int) and 0 <= ordinal < count else None


def _related_events(events: Iterable[EventRow], count: int) -> Mapping[int, list[StepEvent]]:
    related: dict[int, list[StepEvent]] = defaultdict(list)
    for event in events:
        ordinal = _related_command(event, count)
        if ordinal is not None:
            related[ordinal].append(step_event(event))
    return related


def _command_step(
    row: JournalRow,
    ordinal: int,
    notifications: Mapping[tuple[str, int], JournalRow],
    events: Sequence[StepEvent],
    payloads: Mapping[int, bytes],
    active: bool,
) -> Step:
    type_ = row.entry_type.removeprefix("Command: ")
    number = entries.result_completion_id(row)
    result = notifications.get((f"Notification: {type_}", number)) if number is not None else None
    sent, received = _payload(row, payloads), _payload(result, payloads)
    truncated = any(
        r is not None and entries.has_payload(r) and r.index not in payloads for r in (row, result)
    )
    run = DecodedRun("run")
    if type_ == "Run":
        succeeded = result is not None and result.index in payloads and received.failure is None
        run = decode_run(row.name, received.value, has_result=succeeded)
    failure = received.failure or (sent.failure if type_ == "Output" else None)
    waiting = number is not None and result is None and not row.completed
    return Step(
        index=row.index,
        command_index=ordinal,
        kind=run.kind if type_ == "Run" else _KINDS.get(type_, _state_or_other(type_)),
        type=row.entry_type,
        name=_name(row, type_),
        state=_state(
            result,
            failure,
            _waiting_state(events, active) if waiting else None,
            _is_failed_output(row, type_),
        ),
        started_at=row.appended_at,
        ended_at=(result or row).appended_at if not waiting else None,
        completion_id=number,
        notification_index=result.index if result else None,
        input=sent.value if type_ in _WITH_INPUT else None,
        output=received.value if result else sent.value if type_ not in _WITH_INPUT else None,
        error=failure,
        llm=run.llm,
        tool=run.tool,
        child_id=row.invoked_id or _target_id(row),
        awakeable_id=as_text(row.lite.get("id")) if type_ == "CompleteAwakeable" else None,
        state_key=as_text(row.lite.get("key")) if type_ in _STATE_LABELS else None,
        wake_at=row.wake_at
        or _time(row.lite.get("wake_up_time" if type_ == "Sleep" else "invoke_time")),
        events=tuple(events),
        raw_length=row.raw_length + (result.raw_length if result else 0),
        truncated=truncated,
    )


def _payload(row: JournalRow | None, payloads: Mapping[int, bytes]) -> entries.Payload:
    if row is None or row.index not in payloads:
        return entries.Payload()
    return entries.payload_of(row, payloads[row.index])


def _is_failed_output(row: JournalRow, type_: str) -> bool:
    return type_ == "Output" and row.lite.get("result") == "Failure"


def _state(
    result: JournalRow | None,
    failure: str | None,
    waiting: StepState | None,
    failed_output: bool,
) -> StepState:
    if failure or failed_output or (result is not None and result.lite.get("result") == "Failure"):
        return "failed"
    return waiting or "done"


def _waiting_state(events: Sequence[StepEvent], active: bool) -> StepState:
    """Return the state of a step without a result."""
    if not active:
        return "unfinished"
    return "retrying" if events else "pending"


def _state_or_other(type_: str) -> StepKind:
    return "state" if type_ in _STATE_LABELS else "other"


def _name(row: JournalRow, type_: str) -> str:
    """Return the step's name, or else its operation and object, such as `get cart`."""
    if row.name:
        return row.name
    key = as_text(row.lite.get("key")) or row.promise_name or ""
    if type_ in _STATE_LABELS:
        return f"{_STATE_LABELS[type_]} {key}".strip()
    if type_ in _PROMISE_LABELS:
        return f"{_PROMISE_LABELS[type_]} {key}".strip()
    if type_ in ("Call", "OneWayCall"):
        return row.invoked_target or _target(row)
    labels = {"CompleteAwakeable": "complete awakeable", "SendSignal": "send signal",
              "AttachInvocation": "attach", "GetInvocationOutput": "get output"}  # fmt: skip
    return labels.get(type_, type_.lower())


def _target(row: JournalRow) -> str:
    target = as_dict(row.lite.get("invocation_target"))
    for kind in target.values():
        parts = as_dict(kind)
        return "/".join(str(parts[p]) for p in ("name", "key", "handler") if p in parts)
    return ""


def _target_id(row: JournalRow) -> str | None:
    """Return the invocation that an attach or a signal refers to."""
    for name in ("invocation_id", "target_invocation_id"):
        if target_id := as_text(row.lite.get(name)):
            return target_id
    target = as_dict(row.lite.get("target"))
    return as_text(target.get("InvocationId"))


def _time(milliseconds: object) -> datetime | None:
    if not isinstance(milliseconds, int) or milliseconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _signal_step(invocation_id: str, row: JournalRow, payloads: Mapping[int, bytes]) -> Step:
    number = entries.signal_id(row)
    payload = _payload(row, payloads)
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
        output=payload.value,
        error=payload.failure,
        awakeable_id=_awakeable_id(invocation_id, number),
        raw_length=row.raw_length,
        truncated=entries.has_payload(row) and row.index not in payloads,
    )


def awakeable(id_: str | None, state: StepState, *, asked: datetime | None = None) -> Step:
    """Return the step of an awakeable that has no journal entry, because it has no answer.

    Args:
        id_: Its id; None when it is not known.
        state: `pending`, or `unfinished` in an invocation that has ended.
        asked: When the handler created it.
    """
    return Step(
        index=-1,
        command_index=None,
        kind="awakeable",
        type="Awakeable",
        name="awakeable",
        state=state,
        started_at=asked,
        ended_at=None,
        awakeable_id=id_,
    )


def _awakeable_id(invocation_id: str, number: Any) -> str | None:
    if not entries.is_awakeable(number):
        return None
    try:
        return ids.awakeable_id(invocation_id, number)
    except ValueError:
        return None


def _with_tool_arguments(found: list[Step]) -> list[Step]:
    """Return the steps with each tool step's arguments, taken from the model's tool calls.

    The integration runs the tools of one answer in the order of its calls, so the nth step of a
    tool belongs to its nth call.
    """
    calls: dict[str, list[ToolCall]] = defaultdict(list)
    for place, step in enumerate(found):
        for call in step.llm.tool_calls if step.llm else ():
            calls[call.name].append(call)
        if step.kind != "tool":
            continue
        name = step.tool.name if step.tool else step.name.split()[-1]
        if calls[name]:
            call = calls[name].pop(0)
            tool = ToolCall(
                name, call.arguments, call.call_id, step.tool.result if step.tool else None
            )
            found[place] = replace(step, tool=tool, input=call.arguments)
    return found
