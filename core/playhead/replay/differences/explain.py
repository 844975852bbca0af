"""All differences between a journal and today's code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from playhead.journal.commands import Command, title_of
from playhead.journal.recording import Recording
from playhead.replay.differences.align import best_plan
from playhead.replay.differences.compare import compare, text_of
from playhead.replay.differences.not_compared import not_compared
from playhead.replay.divergence import Divergence
from playhead.replay.engine.app import App
from playhead.replay.engine.calls import Call, Plan
from playhead.replay.engine.playback import Assume, Playback, play
from playhead.replay.engine.stack import raised_at
from playhead.replay.report import NotCompared

__all__ = ["Explanation", "all_differences"]

_MAX_RUNS = 6
_RAISED_COST = 2


@dataclass(frozen=True)
class Explanation:
    """The differences, and the progress of the run."""

    divergences: tuple[Divergence, ...]
    notes: tuple[str, ...]
    not_compared: tuple[NotCompared, ...]
    playback: Playback
    plan: Plan
    """Which recorded step answered each call."""


def all_differences(app: App, recording: Recording) -> Explanation:
    """Run the code to its end with answers from the recording, and compare.

    A new operation gets `None` as its result, which lets the handler continue. The recording is
    played up to six times with different pairings; the one with the fewest differences counts.

    Raises:
        AppError: The app does not serve this handler.
    """
    steps = tuple(recording.journal().steps())
    plan: Plan = ()
    best: tuple[float, Explanation] | None = None
    tried: set[Plan] = set()
    for _ in range(_MAX_RUNS):
        policy = Assume()
        playback = play(app, recording, policy, plan=plan)
        found = _explain(playback, policy.assumed)
        cost = len([d for d in found.divergences if d.fatal])
        cost += _RAISED_COST * (playback.ended is None)
        if best is None or cost < best[0]:
            best = (cost, found)
        tried.update((plan, playback.taken))
        calls = [pair.call for pair in playback.pairs]
        better = best_plan(calls, steps, ended=playback.ended is not None) if cost else None
        if better is None or better in tried:
            break
        plan = better
    assert best is not None
    return best[1]


def _explain(playback: Playback, assumed: Sequence[Call]) -> Explanation:
    steps = tuple(playback.journal.steps())
    taken = playback.taken
    found = list(_of_pairs(playback))
    notes: list[str] = []
    if assumed:
        names = ", ".join(dict.fromkeys(call.title for call in assumed))
        notes.append(f"the journal has no result of {names}; None was assumed")
    reached = max((p for p in taken if p is not None), default=-1)
    matched = {p for p in taken if p is not None}
    end = len(steps) if playback.ended is not None else reached
    found += [
        _removed(command, _continued_at(playback, position))
        for position, command in enumerate(steps[:end])
        if position not in matched
    ]
    if end < len(steps) and len(steps) - 1 > reached:
        notes.append(f"{len(steps) - 1 - reached} recorded commands were not reached")
    recorded_output = playback.journal.output
    if playback.ended is not None and recorded_output is not None:
        found += compare(recorded_output, playback.ended)
    if playback.raised is not None and recorded_output is not None:
        after = playback.pairs[-1].recorded is None if playback.pairs else False
        if assumed and after:
            raised = playback.raised[0]
            notes.append(f"the handler then raises {raised}; later differences are unknown")
        else:
            found.append(_error(playback, recorded_output))
    found.sort(key=lambda d: d.command_index)
    unknown = not_compared(playback.pairs, playback.recording.steps)
    return Explanation(tuple(found), tuple(notes), unknown, playback, taken)


def _of_pairs(playback: Playback) -> Iterator[Divergence]:
    commands = playback.journal.commands
    at = 0
    for pair, position in zip(playback.pairs, playback.taken, strict=True):
        call, recorded = pair.call, pair.recorded
        if recorded is None or position is None:
            if at + 1 < len(commands) or playback.journal.output is not None:
                yield Divergence(at + 1, "added", None, _text(call), call.where, True, call.title)
            continue
        if position + 1 < at:
            yield Divergence(
                recorded.command_index,
                "moved",
                title_of(recorded),
                f"now after {title_of(commands[at])}",
                call.where,
                True,
                call.title,
                recorded.index,
            )
        at = max(at, position + 1)
        yield from compare(recorded, call, playback.recording.steps.get(recorded.command_index))


def _removed(command: Command, where: str | None) -> Divergence:
    index, title = command.command_index, title_of(command)
    return Divergence(index, "removed", title, None, where, True, title, command.index)


def _continued_at(playback: Playback, position: int) -> str | None:
    """Return the place where the code continued without the recorded step at that position."""
    for pair, other in zip(playback.pairs, playback.taken, strict=True):
        if other is not None and other > position:
            return pair.call.where
    return None if playback.ended is None else playback.ended.where


def _error(playback: Playback, recorded_output: Command) -> Divergence:
    assert playback.raised is not None
    message, stacktrace = playback.raised
    last = max((p.recorded.command_index for p in playback.pairs if p.recorded), default=0)
    command = playback.journal.commands[min(last + 1, recorded_output.command_index)]
    return Divergence(
        last + 1,
        "error",
        title_of(command),
        message,
        raised_at(playback.app.user, stacktrace),
        journal_index=command.index,
    )


def _text(call: Call) -> str:
    for name in ("parameter", "value", "failure", "target", "millis"):
        if call.fields.get(name) is not None:
            return f"{call.title}: {text_of(call.fields[name])}"
    return call.title
