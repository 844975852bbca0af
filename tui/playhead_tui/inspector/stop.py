"""Lines for a stop of a replay: variables, step, messages, state, differences."""

from __future__ import annotations

import re
from collections.abc import Iterator

from playhead.decode.registry import decode_run
from playhead.replay import (
    BLOCKED_HINT,
    DEPLOYMENT_HINT,
    DifferenceGroup,
    Frame,
    Isolation,
    Report,
    Stop,
    groups_of,
    not_compared_lines,
)

from playhead_tui.drawing.document import Line, StyleName, heading, pair, text_lines, value_lines
from playhead_tui.inspector.messages import parsed, tool_call

__all__ = [
    "conversation",
    "differences",
    "frames",
    "isolation_lines",
    "state",
    "step",
    "variables",
]

ROLES: dict[str, StyleName] = {"assistant": "llm", "tool": "tool"}
SHORT_NAME = 11
_ADDRESS = re.compile(r" (object )?at 0x[0-9a-f]+>$")
LIMIT = 20_000


def frames(stop: Stop) -> list[tuple[str, Frame]]:
    """Return the selectable frames: task name (empty for the task at the command) and frame."""
    return [(stack.task, frame) for stack in stop.stacks for frame in stack.frames]


def variables(stop: Stop, before: Stop | None, level: int, mark: str = ">") -> Iterator[Line]:
    """Yield the variables of every frame of every task; changed ones are highlighted.

    Args:
        stop: the stop under the playhead.
        before: the stop before it in the run.
        level: number of the selected frame.
        mark: mark in front of the selected frame.
    """
    old = {(task, f.file, f.function): f.variables for task, f in frames(before)} if before else {}
    shown = frames(stop)
    if not shown:
        yield Line("None of your code is on the stack.", "dim")
    several = len(stop.stacks) > 1
    last = None
    for number, (task, frame) in enumerate(shown):
        if number:
            yield Line("")
        if several and task != last:
            yield Line(f"Task {task}, waiting" if task else "Task at this command", "accent")
        last = task
        selected = f"{mark} " if number == level and len(shown) > 1 else ""
        place = f"{frame.file.replace(chr(92), '/').rpartition('/')[2]}:{frame.line}"
        yield Line(f"{selected}{frame.function}  {place}", "strong" if number == level else "dim")
        earlier = old.get((task, frame.file, frame.function))
        for name, value in sorted(frame.variables.items(), key=lambda item: item[1][:1] == "<"):
            changed = earlier is not None and _short(earlier.get(name, "")) != _short(value)
            yield from _variable(name, _short(value), changed)


def _short(value: str) -> str:
    """Return an object's text without its address, which changes from run to run."""
    return _ADDRESS.sub(">", value) if value.startswith("<") else value


def _variable(name: str, value: str, changed: bool) -> Iterator[Line]:
    style: StyleName = "warn" if changed else "dim" if value.startswith("<") else "text"
    if len(name) <= SHORT_NAME:
        yield pair(name, value, style)
    else:
        yield Line(name, "dim")
        yield Line(value, style, indent=12)


def step(stop: Stop, report: Report | None) -> Iterator[Line]:
    """Yield the command that the code is about to run, its recorded result and its entries."""
    yield Line(stop.title, "strong")
    if stop.journal_index is None:
        yield Line("Not in the journal: the recorded run has no such command.", "warn")
    else:
        result = ""
        if stop.notification_index is not None:
            result = f", result in #{stop.notification_index}"
        yield Line(f"Journal entry {stop.place}{result}", "dim")
    for kind in dict.fromkeys(stop.divergences):
        yield Line(f"Differs from the journal: {kind}", "bad")
    if stop.failure is not None:
        yield from heading("Recorded result: a terminal error")
        yield from text_lines(stop.failure, style="bad", indent=2, limit=LIMIT)
    elif stop.notification_index is not None:
        yield from heading("Recorded result")
        yield from value_lines(parsed(stop.result), indent=2, limit=LIMIT)
    elif stop.type == "Output" and report:
        yield from heading("Output" if report.failure is None else "Failure")
        if report.failure is None:
            yield from value_lines(report.output, indent=2, limit=LIMIT)
        else:
            yield from text_lines(report.failure, style="bad", indent=2, limit=LIMIT)
    if stop.arguments:
        yield from heading("Arguments")
        yield from value_lines(stop.arguments, indent=2, limit=LIMIT)


def conversation(stop: Stop) -> Iterator[Line]:
    """Yield the prompt of the last model call so far, and its recorded response."""
    if not stop.conversation:
        yield Line("No model call so far.", "dim")
    for message in stop.conversation:
        role = message["role"]
        yield Line(role, ROLES.get(role, "accent"))
        yield from text_lines(message["text"], indent=2, limit=LIMIT)
    if stop.asks_model and stop.notification_index is not None:
        yield from heading("Recorded response", "llm")
        llm = decode_run(stop.name, stop.result, has_result=True).llm
        if llm is None or not (llm.text or llm.tool_calls):
            yield from value_lines(parsed(stop.result), indent=2, limit=LIMIT)
            return
        if llm.text:
            yield from text_lines(llm.text, indent=2, limit=LIMIT)
        for call in llm.tool_calls:
            yield from tool_call(call.name, call.arguments)


def state(stop: Stop) -> Iterator[Line]:
    """Yield the state of the object or workflow, as far as the handler has read or written it."""
    if not stop.state:
        yield Line("The handler has read or written no state so far.", "dim")
    for key in sorted(stop.state):
        yield Line(key, "accent")
        yield from value_lines(stop.state[key], indent=2, limit=LIMIT)


def differences(report: Report | None) -> Iterator[Line]:
    """Yield all differences between the journal and the current code, and blocked operations."""
    if report is None:
        yield Line("Comparing ...", "dim")
        return
    if report.verdict in ("refused", "invalid"):
        yield from text_lines(report.reason or "", style="bad", limit=LIMIT)
        if report.hint:
            yield from text_lines(report.hint, limit=LIMIT)
    elif not report.divergences and report.verdict != "blocked":
        yield Line("No differences: the code matches the journal.", "good")
    if report.verdict == "incomplete":
        yield from text_lines(f"Then {report.reason}", style="wait")
        if report.waiting_at:
            yield pair("Where", report.waiting_at, "dim")
    for group in groups_of(report.divergences):
        yield from _difference(group)
    if report.verdict in ("diverged", "blocked"):
        if report.sdk_message:
            yield from heading("Message of the SDK")
            yield from text_lines(report.sdk_message, indent=2, style="dim")
        yield from heading("What to do")
        yield Line(DEPLOYMENT_HINT if report.verdict == "diverged" else BLOCKED_HINT, indent=2)
    for note in report.notes:
        yield Line("")
        yield from text_lines(note, style="dim")
    if report.blocked:
        yield from heading("Blocked, without effect", "warn")
        for operation in report.blocked:
            yield Line(operation, "warn", 2)
    if report.not_compared:
        yield from heading("Not compared")
        for line in not_compared_lines(report):
            yield Line(line, "dim", 2)
    yield from isolation_lines(report.isolation)


def isolation_lines(isolation: Isolation | None) -> Iterator[Line]:
    """Yield what the operating system kept from the code, as its process measured."""
    if isolation is not None:
        yield from heading("Isolation")
        yield from text_lines(isolation.sentence, indent=2, style="dim")


def _difference(group: DifferenceGroup) -> Iterator[Line]:
    """Yield the first difference of a group in full, and the places of the others."""
    divergence = group.example
    yield Line("")
    style: StyleName = "bad" if divergence.fatal else "warn"
    unnoticed = "" if divergence.fatal else ", not detected by Restate"
    yield Line(f"{group.title}{unnoticed}", style)
    yield pair("Recorded", divergence.recorded if divergence.recorded is not None else "nothing")
    yield pair("Now", divergence.current if divergence.current is not None else "nothing")
    if divergence.where:
        yield pair("Where", divergence.where, "dim")
