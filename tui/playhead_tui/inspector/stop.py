"""What is known at a stop of a replay: variables, the step, conversation, state."""

from __future__ import annotations

import re
from collections.abc import Iterator

from playhead.decode.registry import decode_run
from playhead.replay import DEPLOYMENT_HINT, Divergence, Frame, Report, Stop

from playhead_tui.drawing.document import Line, Tone, heading, pair, text_lines, value_lines
from playhead_tui.inspector.messages import tool_call, unpacked

__all__ = ["conversation", "differences", "frames", "state", "step", "variables"]

ROLES: dict[str, Tone] = {"assistant": "llm", "tool": "tool"}
SHORT_NAME = 11
_ADDRESS = re.compile(r" (object )?at 0x[0-9a-f]+>$")
LIMIT = 20_000


def frames(stop: Stop) -> list[tuple[str, Frame]]:
    """The frames that can be looked at: task name (empty for the one that asks) and frame."""
    return [(stack.task, frame) for stack in stop.stacks for frame in stack.frames]


def variables(stop: Stop, before: Stop | None, level: int, mark: str = ">") -> Iterator[Line]:
    """The variables of every frame of every task; changed ones stand out.

    Args:
        stop: where the playhead stands.
        before: the stop before it in the run.
        level: number of the selected frame.
        mark: stands before it.
    """
    old = {(task, f.file, f.function): f.variables for task, f in frames(before)} if before else {}
    shown = frames(stop)
    if not shown:
        yield Line("No code of yours is on the stack here.", "dim")
    several = len(stop.stacks) > 1
    last = None
    for number, (task, frame) in enumerate(shown):
        if number:
            yield Line("")
        if several and task != last:
            yield Line(f"task {task}, which waits" if task else "the task that asks", "accent")
        last = task
        selected = f"{mark} " if number == level and len(shown) > 1 else ""
        place = f"{frame.file.replace(chr(92), '/').rpartition('/')[2]}:{frame.line}"
        yield Line(f"{selected}{frame.function}  {place}", "strong" if number == level else "dim")
        known = old.get((task, frame.file, frame.function))
        for name, value in sorted(frame.variables.items(), key=lambda item: item[1][:1] == "<"):
            changed = known is not None and _short(known.get(name, "")) != _short(value)
            yield from _variable(name, _short(value), changed)


def _short(value: str) -> str:
    """An object that shows no more than its address, without the address."""
    return _ADDRESS.sub(">", value) if value.startswith("<") else value


def _variable(name: str, value: str, changed: bool) -> Iterator[Line]:
    tone: Tone = "warn" if changed else "dim" if value.startswith("<") else "text"
    if len(name) <= SHORT_NAME:
        yield pair(name, value, tone)
    else:
        yield Line(name, "dim")
        yield Line(value, tone, indent=12)


def step(stop: Stop, report: Report | None) -> Iterator[Line]:
    """What the code is about to do, what it gets for it, and where that lies in the journal."""
    yield Line(stop.title, "strong")
    if stop.journal_index is None:
        yield Line("Not in the journal: the recorded run did nothing like it.", "warn")
    else:
        result = ""
        if stop.notification_index is not None:
            result = f", result #{stop.notification_index}"
        yield Line(f"journal entry {stop.place}{result}", "dim")
    for kind in dict.fromkeys(stop.divergences):
        yield Line(f"differs from the journal: {kind}", "bad")
    if stop.failure is not None:
        yield from heading("recorded result: a terminal error")
        yield from text_lines(stop.failure, tone="bad", indent=2, limit=LIMIT)
    elif stop.notification_index is not None:
        yield from heading("recorded result")
        yield from value_lines(unpacked(stop.result), indent=2, limit=LIMIT)
    elif stop.type == "Output" and report:
        yield from heading("the handler returns" if report.failure is None else "it fails")
        if report.failure is None:
            yield from value_lines(report.output, indent=2, limit=LIMIT)
        else:
            yield from text_lines(report.failure, tone="bad", indent=2, limit=LIMIT)
    if stop.arguments:
        yield from heading("given to it")
        yield from value_lines(stop.arguments, indent=2, limit=LIMIT)


def conversation(stop: Stop) -> Iterator[Line]:
    """The messages that the last model call so far was given."""
    if not stop.conversation:
        yield Line("No model was asked so far.", "dim")
    for message in stop.conversation:
        role = message["role"]
        yield Line(role, ROLES.get(role, "accent"))
        yield from text_lines(message["text"], indent=2, limit=LIMIT)
    if stop.asks_model and stop.notification_index is not None:
        yield from heading("recorded answer", "llm")
        llm = decode_run(stop.name, stop.result, known=True).llm
        if llm is None or not (llm.text or llm.tool_calls):
            yield from value_lines(unpacked(stop.result), indent=2, limit=LIMIT)
            return
        if llm.text:
            yield from text_lines(llm.text, indent=2, limit=LIMIT)
        for call in llm.tool_calls:
            yield from tool_call(call.name, call.arguments)


def state(stop: Stop) -> Iterator[Line]:
    """State of the object or workflow, as far as the handler has seen it."""
    if not stop.state:
        yield Line("The handler has read or written no state so far.", "dim")
    for key in sorted(stop.state):
        yield Line(key, "accent")
        yield from value_lines(stop.state[key], indent=2, limit=LIMIT)


def differences(report: Report | None) -> Iterator[Line]:
    """All differences between the journal and what the code does now, and what was blocked."""
    if report is None:
        yield Line("Comparing ...", "dim")
        return
    if report.verdict == "refused":
        yield from text_lines(report.reason or "", tone="bad", limit=LIMIT)
    elif not report.divergences:
        yield Line("The code does what the journal holds.", "good")
    if report.verdict == "incomplete":
        yield from text_lines(f"Then {report.reason}", tone="wait")
        if report.waiting_at:
            yield pair("where", report.waiting_at, "dim")
    for divergence in report.divergences:
        yield from _difference(divergence)
    if report.verdict == "diverged":
        if report.sdk_message:
            yield from heading("the SDK says")
            yield from text_lines(report.sdk_message, indent=2, tone="dim")
        yield from heading("what to do")
        yield Line(DEPLOYMENT_HINT, indent=2)
    for note in report.notes:
        yield Line("")
        yield from text_lines(note, tone="dim")
    if report.blocked:
        yield from heading("blocked: the code tried, nothing happened", "warn")
        for what in report.blocked:
            yield Line(what, "warn", 2)


def _difference(divergence: Divergence) -> Iterator[Line]:
    yield Line("")
    tone: Tone = "bad" if divergence.fatal else "warn"
    unnoticed = "" if divergence.fatal else ", Restate does not notice"
    title = f"{divergence.place} {divergence.name}".rstrip()
    yield Line(f"{title}: {divergence.kind}{unnoticed}", tone)
    yield pair("recorded", divergence.recorded if divergence.recorded is not None else "nothing")
    yield pair("now", divergence.current if divergence.current is not None else "nothing")
    if divergence.where:
        yield pair("where", divergence.where, "dim")
