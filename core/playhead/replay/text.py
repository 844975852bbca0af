"""Reports, what-if results and stops as lines of plain text that is safe for any terminal."""

from __future__ import annotations

import linecache
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playhead.conventions import MODEL_STEPS
from playhead.decode.registry import decode_run
from playhead.formatting import answer_line
from playhead.replay.groups import DifferenceGroup, groups_of
from playhead.replay.report import Report
from playhead.replay.stop import Frame, Stop
from playhead.replay.what_ifs import LivePlan, WhatIfResult, WhatIfRow
from playhead.text import clean
from playhead.values import to_json_line

__all__ = [
    "BLOCKED_HINT",
    "DEPLOYMENT_HINT",
    "headline",
    "live_plan_line",
    "not_compared_lines",
    "report_lines",
    "result_text",
    "stop_lines",
    "what_if_lines",
]

_RESULT_WIDTH = 60
_SOURCE_LINES = 3
_VALUE_LENGTH = 300
_PLACES = 20

DEPLOYMENT_HINT = (
    "Invocations in flight would fail with error 570. Deploy the change as a new deployment and "
    "let old invocations finish on the old one, or keep the recorded order of steps."
)

BLOCKED_HINT = (
    "Restate runs code outside steps again at every attempt. Move the side effect into a step. The "
    "differences after it may be caused by the block."
)


def headline(report: Report) -> str:
    """Return the verdict in one line."""
    progress = f"{report.replayed} of {report.commands} commands replayed"
    match report.verdict:
        case "same":
            end = f"fails as recorded: {report.failure}" if report.failure else "same output"
            return clean(f"same: {progress}, {end}")
        case "diverged":
            return clean(f"diverged: {_refused(report)}; {progress}")
        case "blocked":
            more = f" and {len(report.blocked) - 1} more" if len(report.blocked) > 1 else ""
            what = f"{report.blocked[0]}{more}" if report.blocked else "a side effect"
            return clean(f"blocked: code outside a step tried {what}; {progress}")
        case "incomplete":
            at = f" (at {_short(report.waiting_at)})" if report.waiting_at else ""
            return clean(f"incomplete: {progress}, then {report.reason}{at}")
        case "refused" | "invalid":
            return clean(f"{report.verdict}: {report.reason}")


def report_lines(report: Report) -> Iterator[str]:
    """Yield the whole report."""
    yield headline(report)
    yield from (f"  {clean(line)}" for line in report.hint.splitlines())
    for group in groups_of(report.divergences):
        yield from _group(group)
    if report.verdict == "diverged" and report.sdk_message:
        yield "  SDK message:"
        yield from (f"    {clean(line)}" for line in report.sdk_message.splitlines() if line)
    for note in report.notes:
        yield f"  note: {clean(note)}"
    for what in report.blocked:
        yield f"  blocked: {clean(what)}"
    yield from (f"  not compared: {clean(line)}" for line in not_compared_lines(report))
    if report.verdict == "diverged" and not _raises(report):
        yield f"  hint: {DEPLOYMENT_HINT}"
    if report.verdict == "blocked":
        yield f"  hint: {BLOCKED_HINT}"
    if report.isolation is not None:
        yield f"  isolation: {clean(report.isolation.sentence)}"


def not_compared_lines(report: Report) -> Iterator[str]:
    """Yield what was not compared, one line for each set of commands."""
    parts: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for item in report.not_compared:
        parts.setdefault((item.places, item.reason), []).append(item.what)
    for (places, reason), names in parts.items():
        where = ", ".join(places[:_PLACES])
        more = f" and {len(places) - _PLACES} more" if len(places) > _PLACES else ""
        yield f"{', '.join(names)} of {where}{more} ({reason})"


def _raises(report: Report) -> bool:
    """Return whether the code diverges only by an exception: Restate would retry, not refuse."""
    fatal = [d for d in report.divergences if d.fatal]
    return bool(fatal) and all(d.kind == "error" for d in fatal)


def _refused(report: Report) -> str:
    if _raises(report):
        error = next(d for d in report.divergences if d.fatal)
        return f"the code raises {error.current} at {error.place}, and Restate would retry"
    count = sum(group.example.fatal for group in groups_of(report.divergences))
    differences = "1 difference" if count == 1 else f"{count} differences"
    return f"{differences} that Restate would refuse"


def _group(group: DifferenceGroup) -> Iterator[str]:
    divergence = group.example
    mark = "" if divergence.fatal else " (Restate does not notice)"
    where = f"  {_short(divergence.where)}" if divergence.where else ""
    yield f"  {clean(group.title)}{mark}{clean(where)}"
    if divergence.recorded is not None:
        yield f"      recorded: {clean(divergence.recorded)}"
    if divergence.current is not None:
        yield f"      now:      {clean(divergence.current)}"


def _short(where: str | None) -> str:
    """Return the path relative to the current directory, if it is below."""
    if where is None:
        return ""
    path, _, line = where.rpartition(":")
    try:
        return f"{Path(path).relative_to(Path.cwd())}:{line}"
    except ValueError:
        return where


def what_if_lines(result: WhatIfResult) -> Iterator[str]:
    """Yield the comparison, one line per command, and the ends of both runs."""
    left = [
        _side(row.original, row.original_result, f"#{row.journal_index} ") for row in result.rows
    ]
    width = max((len(text) for text in (*left, "recorded")), default=0)
    yield f"   {'recorded':<{width}}   what if"
    for row, text in zip(result.rows, left, strict=True):
        mark = (
            "=" if row.same else ("+" if row.original is None else "-" if row.new is None else "~")
        )
        right = f"{_side(row.new, row.new_result)}{_result_source(row)}"
        yield f" {mark} {text:<{width}}   {right}".rstrip()
    if result.original_ended:
        yield f"recorded: {_end(result.original_output, result.original_failure)}"
    else:
        yield "recorded: had not ended"
    if result.ended:
        yield f"what if:  {_end(result.output, result.failure)}"
    elif result.raised is not None:
        yield f"what if:  raised {clean(result.raised)}; Restate would retry"
    else:
        at = f" (at {clean(_short(result.waiting_at))})" if result.waiting_at else ""
        yield f"what if:  blocked, {clean(result.stopped or 'waiting')}{at}"
        yield from _remedies(result)
    for name in result.unused:
        yield clean(
            f"not used: the answer to {name}: the recording has it, or the run does not ask for "
            "it. Change a recorded result with --set."
        )
    for what in result.blocked:
        yield f"blocked: {clean(what)}"
    if result.isolation is not None:
        yield f"isolation: {clean(result.isolation.sentence)}"


def _remedies(result: WhatIfResult) -> Iterator[str]:
    waiting = {row.new for row in result.rows if row.source == "none"}
    for name in result.missing:
        value = "TEXT" if name in MODEL_STEPS else "JSON"
        option = shlex.quote(f"{name}={value}")
        live = (
            f", or run it for real with --live {shlex.quote(name)}"
            if f"Run {name}" in waiting
            else ""
        )
        yield clean(f"  Give a result with --answer {option}{live}.")


def live_plan_line(plan: LivePlan) -> str:
    """Return in one line how many steps a what-if executes for real."""
    assumed = ", ".join(f"#{index}" for index in plan.assumed)
    kept = f" {assumed} count as unchanged: the recording has no request." if assumed else ""
    if not plan.steps:
        return f"No step runs live: no request differs from the recording.{kept}"
    names = {step.name for step in plan.steps}
    unit = "model call" if names <= MODEL_STEPS else "step"
    count = f"{len(plan.steps)} {unit}" + ("s" if len(plan.steps) > 1 else "")
    places = ", ".join(
        step.name if step.journal_index is None else f"#{step.journal_index}" for step in plan.steps
    )
    then = "" if plan.ended else "; what follows is not in the recording"
    return clean(
        f"Runs {count} live, if the answers are as recorded: {places}{then}. "
        f"At most {plan.max_live}.{kept}"
    )


def result_text(title: str, result: Any) -> str:
    """Return the result of a command on one line: what a model answered, or JSON.

    Args:
        title: Title of the command, such as `Run Model call`.
        result: Its decoded result; None if it has none.
    """
    if result is None:
        return ""
    answer = decode_run(title.removeprefix("Run "), result, has_result=True).llm
    shown = answer_line(answer, _VALUE_LENGTH) if answer else ""
    return clean(shown or to_json_line(result))


def _side(title: str | None, result: Any, index: str = "") -> str:
    if title is None:
        return ""
    shown = result_text(title, result)
    text = index + clean(title) + (f" → {shown}" if shown else "")
    return text if len(text) <= _RESULT_WIDTH else f"{text[: _RESULT_WIDTH - 1]}…"


def _result_source(row: WhatIfRow) -> str:
    if row.source == "none":
        return "  [no result]"
    return f"  [{row.source}]" if row.source in ("changed", "answered", "live") else ""


def _end(output: Any, failure: str | None) -> str:
    if failure is not None:
        return f"failed with {clean(failure)}"
    return f"ended with {clean(to_json_line(output))}"


def stop_lines(stop: Stop, total: int) -> Iterator[str]:
    """Yield the source with the current line, stack, variables, state and conversation.

    Args:
        stop: Stop to show.
        total: Number of commands in the run.
    """
    ordinal = f"command {stop.command_index} of {total}"
    if stop.journal_index is None:
        yield clean(f"{stop.title}  {ordinal}, not in the journal")
    else:
        yield clean(f"#{stop.journal_index} {stop.title}  {ordinal}")
    if stop.divergences:
        yield clean(f"  differs: {', '.join(stop.divergences)}")
    if stop.failure is not None:
        at = "" if stop.notification_index is None else f" #{stop.notification_index}"
        yield clean(f"  failed{at}: {stop.failure}")
    elif stop.notification_index is not None:
        yield f"  result #{stop.notification_index}: {_cut(to_json_line(stop.result))}"
    for stack in stop.stacks:
        for depth, frame in enumerate(stack.frames):
            yield ""
            task = f"  [task {clean(stack.task)}]" if stack.task and depth == 0 else ""
            yield f"{clean(_short(frame.where))} in {clean(frame.function)}{task}"
            if depth == 0:
                yield from _source(frame)
            for name, value in frame.variables.items():
                yield f"    {clean(name)} = {clean(value)}"
    if stop.state:
        yield ""
        yield "state"
        for key, value in sorted(stop.state.items()):
            yield f"    {clean(key)} = {_cut(to_json_line(value))}"
    if stop.conversation:
        yield ""
        yield "conversation"
        for message in stop.conversation:
            yield f"    {clean(message['role'])}: {_cut(message['text'])}"


def _source(frame: Frame) -> Iterator[str]:
    first = max(1, frame.line - _SOURCE_LINES)
    for number, line in enumerate(
        linecache.getlines(frame.file)[first - 1 : frame.line + _SOURCE_LINES], first
    ):
        mark = ">" if number == frame.line else " "
        text = clean(line.rstrip("\n").expandtabs(4))
        yield f"  {mark} {number:>4}  {text}".rstrip()


def _cut(text: str) -> str:
    text = clean(text)
    return (
        text if len(text) <= _VALUE_LENGTH else f"{text[:_VALUE_LENGTH]}… ({len(text)} characters)"
    )
