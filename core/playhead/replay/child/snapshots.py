"""Stops of a whole run, taken in one pass."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from playhead.conventions import MODEL_STEPS
from playhead.journal.recording import Recording
from playhead.replay.differences.align import GreedyMatcher, Plan
from playhead.replay.differences.conversation import conversation
from playhead.replay.differences.explain import explain
from playhead.replay.engine.app import App
from playhead.replay.engine.calls import Call
from playhead.replay.engine.playback import Pair, Playback
from playhead.replay.engine.policies import Assume
from playhead.replay.engine.stack import describe, frames_above, frames_of_tasks
from playhead.replay.report import Divergence
from playhead.replay.stop import Stop, TaskStack
from playhead.values import readable

__all__ = ["snapshots"]

_TASKS = 16
"""Most waiting tasks that a stop shows."""


@dataclass(frozen=True, slots=True)
class _Seen:
    call: Call
    stacks: tuple[TaskStack, ...]
    state: dict[str, bytes | None]


def snapshots(
    app: App, recording: Recording, expression: str | None = None
) -> tuple[list[Stop], list[int]]:
    """Run the handler once, and once more when it differs, noting everything at each command.

    Args:
        app: whose handler runs.
        recording: where the answers come from.
        expression: Python, evaluated in the user's frame at each command.

    Returns:
        The stops, and the indices of those at which the expression was true.

    Raises:
        AppError: the app does not serve this handler.
    """
    run = _Run(app, recording, (), expression)
    divergences: Sequence[Divergence] = ()
    if not run.exact:
        explanation = explain(app, recording)
        divergences = explanation.divergences
        run = _Run(app, recording, explanation.plan, expression)
    return run.stops(divergences), run.hits


class _Run:
    def __init__(self, app: App, recording: Recording, plan: Plan, expression: str | None) -> None:
        self.app = app
        self.seen: list[_Seen] = []
        self.hits: list[int] = []
        self._expression = compile(expression, "<breakpoint>", "eval") if expression else None
        matcher = GreedyMatcher(tuple(recording.journal().steps()), plan)
        self.playback = Playback(app, recording, matcher, Assume(), on_call=self._note).run()
        output = recording.journal().output
        self.exact = (
            all(p.recorded is not None for p in self.playback.pairs)
            and len(self.playback.pairs) == len(list(recording.journal().steps()))
            and matcher.taken == sorted(p for p in matcher.taken if p is not None)
            and (self.playback.ended is not None) == (output is not None)
        )

    def stops(self, divergences: Sequence[Divergence]) -> list[Stop]:
        pairs: list[Pair] = list(self.playback.pairs)
        if self.playback.ended is not None:
            pairs.append(Pair(self.playback.ended, self.playback.journal.output))
        results = self.playback.journal.by_key
        messages: tuple[dict[str, str], ...] = ()
        found: list[Stop] = []
        for seen, pair in zip(self.seen, pairs, strict=True):
            call, recorded = pair.call, pair.recorded
            asks = call.type == "Run" and call.about in MODEL_STEPS
            if asks:
                messages = conversation(call.arguments)
            result = None
            if recorded is not None and recorded.completion_id is not None:
                result = results.get(("completion", recorded.completion_id))
            index = None if recorded is None else recorded.command_index
            value: Any = None if result is None else result.value
            failed = result is not None and result.kind == "failure"
            found.append(
                Stop(
                    index=call.index,
                    title=call.title,
                    type=call.type,
                    name=call.about,
                    recorded_index=index,
                    entry=None if recorded is None else recorded.index,
                    result_entry=None if result is None else result.index,
                    result=None if failed else _plain(value),
                    failure=f"{value.code}: {value.message}" if failed else None,
                    where=call.where,
                    stacks=seen.stacks,
                    state={k: readable(v) for k, v in seen.state.items()},
                    arguments=call.arguments,
                    conversation=messages,
                    asks_model=asks,
                    divergences=tuple(d.kind for d in divergences if d.command_index == index),
                )
            )
        return found

    def _note(self, call: Call, playback: Playback) -> None:
        frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
        mine = list(frames_above(self.app.user, frame))
        ended = playback.attempt.ending.frame
        if call.type == "Output" and ended is not None:
            mine = [ended]
        stacks = [TaskStack("", tuple(describe(f) for f in mine))] if mine else []
        waiting = frames_of_tasks(self.app.user, playback.attempt.loop)
        for name, frames in list(waiting.items())[:_TASKS]:
            if frames[-1] not in mine:
                stacks.append(TaskStack(name, tuple(describe(f) for f in frames)))
        self.seen.append(_Seen(call, tuple(stacks), dict(playback.state)))
        if self._expression is not None and mine and self._true(mine[0]):
            self.hits.append(call.index)

    def _true(self, frame: FrameType) -> bool:
        try:
            return bool(eval(self._expression or "", frame.f_globals, frame.f_locals))
        except Exception:
            return False


def _plain(value: Any) -> Any:
    return readable(value) if isinstance(value, bytes) else value
