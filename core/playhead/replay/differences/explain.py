"""All differences between a journal and today's code."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from playhead.journal.commands import Command, title_of
from playhead.journal.recording import Recording
from playhead.replay.differences.align import best_plan
from playhead.replay.differences.compare import compare, text_of
from playhead.replay.differences.not_compared import not_compared
from playhead.replay.divergence import Divergence
from playhead.replay.engine.app import App
from playhead.replay.engine.calls import Call, NearestMatcher, Pair, Plan
from playhead.replay.engine.playback import Assume, play
from playhead.replay.engine.stack import raised_at
from playhead.replay.engine.transcript import Playthrough, Raised
from playhead.replay.report import NotCompared

__all__ = ["Explanation", "Paired", "all_differences", "explained", "playthrough"]

_MAX_RUNS = 6
_RAISED_COST = 2


@dataclass(frozen=True)
class Explanation:
    """The differences, and the progress of the run."""

    divergences: tuple[Divergence, ...]
    notes: tuple[str, ...]
    not_compared: tuple[NotCompared, ...]
    paired: Paired

    @property
    def plan(self) -> Plan:
        """Which recorded step answered each call."""
        return self.paired.taken


class Paired:
    """The commands of a run, with the recorded commands that answered them."""

    def __init__(self, recording: Recording, run: Playthrough, plan: Plan) -> None:
        """Pair as the run did, without relying on its word.

        Args:
            recording: Recording that provided the answers.
            run: The commands that the code wrote.
            plan: Plan of the run.
        """
        self.run = run
        self.recording = recording
        self.journal = recording.journal()
        self.steps = tuple(self.journal.steps())
        matcher = NearestMatcher(self.steps, plan)
        self.pairs = [Pair(call, matcher.match(call)) for call in run.calls]
        self.taken: Plan = tuple(matcher.taken)
        """The plan that was followed."""
        self.assumed = [
            pair.call for pair in self.pairs if pair.recorded is None and Assume.assumes(pair.call)
        ]
        """Calls with the result `None` that the handler may have used."""


def playthrough(app: App, recording: Recording, plan: Plan) -> Playthrough:
    """Run the code to its end with answers from the recording, in this process.

    A new operation gets `None` as its result, which lets the handler continue.

    Args:
        app: App that serves the handler.
        recording: Recording that provides the answers.
        plan: Recorded step that answers each of the first calls.

    Raises:
        AppError: The app does not serve this handler.
    """
    run = play(app, recording, Assume(), plan=plan)
    raised = run.raised and Raised(run.raised[0], raised_at(app.user, run.raised[1]))
    return Playthrough([pair.call for pair in run.pairs], run.ended, raised, run.waiting_at)


def all_differences(app: App, recording: Recording) -> Explanation:
    """Run the code in this process, and compare; see `explained`.

    Raises:
        AppError: The app does not serve this handler.
    """
    return explained(recording, functools.partial(playthrough, app, recording))


def explained(recording: Recording, play: Callable[[Plan], Playthrough]) -> Explanation:
    """Compare the code with the recording.

    The recording is played up to six times with different pairings; the one with the fewest
    differences counts.

    Args:
        recording: Recording to compare with.
        play: Runs the code with a plan; see `playthrough`.
    """
    steps = tuple(recording.journal().steps())
    plan: Plan = ()
    best: tuple[float, Explanation] | None = None
    tried: set[Plan] = set()
    for _ in range(_MAX_RUNS):
        run = play(plan)
        paired = Paired(recording, run, plan)
        found = _explain(paired)
        cost = len([d for d in found.divergences if d.fatal])
        cost += _RAISED_COST * (run.ended is None)
        if best is None or cost < best[0]:
            best = (cost, found)
        tried.update((plan, paired.taken))
        better = best_plan(run.calls, steps, ended=run.ended is not None) if cost else None
        if better is None or better in tried:
            break
        plan = better
    assert best is not None
    return best[1]


def _explain(paired: Paired) -> Explanation:
    steps, taken, assumed = paired.steps, paired.taken, paired.assumed
    found = list(_of_pairs(paired))
    notes: list[str] = []
    if assumed:
        names = ", ".join(dict.fromkeys(call.title for call in assumed))
        notes.append(f"the journal has no result of {names}; None was assumed")
    reached = max((p for p in taken if p is not None), default=-1)
    matched = {p for p in taken if p is not None}
    end = len(steps) if paired.run.ended is not None else max(reached, 0)
    found += [
        _removed(command, _continued_at(paired, position))
        for position, command in enumerate(steps[:end])
        if position not in matched
    ]
    if end < len(steps) and len(steps) - 1 > reached:
        notes.append(f"{len(steps) - 1 - reached} recorded commands were not reached")
    recorded_output = paired.journal.output
    if paired.run.ended is not None and recorded_output is not None:
        found += compare(recorded_output, paired.run.ended)
    if paired.run.raised is not None and recorded_output is not None:
        after = paired.pairs[-1].recorded is None if paired.pairs else False
        if assumed and after:
            raised = paired.run.raised.message
            notes.append(f"the handler then raises {raised}; later differences are unknown")
        else:
            found.append(_error(paired, recorded_output))
    found.sort(key=lambda d: d.command_index)
    unknown = not_compared(paired.pairs, paired.recording.steps)
    return Explanation(tuple(found), tuple(notes), unknown, paired)


def _of_pairs(paired: Paired) -> Iterator[Divergence]:
    commands = paired.journal.commands
    at = 0
    for pair, position in zip(paired.pairs, paired.taken, strict=True):
        call, recorded = pair.call, pair.recorded
        if recorded is None or position is None:
            if at + 1 < len(commands) or paired.journal.output is not None:
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
        yield from compare(recorded, call, paired.recording.steps.get(recorded.command_index))


def _removed(command: Command, where: str | None) -> Divergence:
    index, title = command.command_index, title_of(command)
    return Divergence(index, "removed", title, None, where, True, title, command.index)


def _continued_at(paired: Paired, position: int) -> str | None:
    """Return the place where the code continued without the recorded step at that position."""
    for pair, other in zip(paired.pairs, paired.taken, strict=True):
        if other is not None and other > position:
            return pair.call.where
    return None if paired.run.ended is None else paired.run.ended.where


def _error(paired: Paired, recorded_output: Command) -> Divergence:
    assert paired.run.raised is not None
    last = max((p.recorded.command_index for p in paired.pairs if p.recorded), default=0)
    command = paired.journal.commands[min(last + 1, recorded_output.command_index)]
    return Divergence(
        last + 1,
        "error",
        title_of(command),
        paired.run.raised.message,
        paired.run.raised.where,
        journal_index=command.index,
    )


def _text(call: Call) -> str:
    for name in ("parameter", "value", "failure", "target", "millis"):
        if call.fields.get(name) is not None:
            return f"{call.title}: {text_of(call.fields[name])}"
    return call.title
