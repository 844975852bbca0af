"""All stops of a run, taken in one pass."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from playhead.conventions import MODEL_STEPS
from playhead.journal.recording import Recording
from playhead.replay.differences.conversation import conversation
from playhead.replay.differences.explain import all_differences
from playhead.replay.divergence import Divergence
from playhead.replay.engine.app import App
from playhead.replay.engine.calls import Call, Pair, Plan
from playhead.replay.engine.playback import Assume, Playback, play
from playhead.replay.engine.stack import describe, frames_above, frames_of_tasks
from playhead.replay.stop import Stop, TaskStack
from playhead.values import readable

__all__ = ["stops_of"]

_MAX_TASKS = 16
"""Maximum number of waiting tasks in a stop."""


def stops_of(
    app: App, recording: Recording, expression: str | None = None
) -> tuple[list[Stop], list[int]]:
    """Run the handler and describe each command; run it again with a plan if it differs.

    Args:
        app: App that serves the handler.
        recording: Recording with the results.
        expression: Python, evaluated in the user's frame at each command.

    Returns:
        The stops, and the ordinals of the commands at which the expression was true.

    Raises:
        AppError: The app does not serve this handler.
    """
    run = _Run(app, recording, (), expression)
    divergences: Sequence[Divergence] = ()
    if not run.exact:
        explanation = all_differences(app, recording)
        divergences = explanation.divergences
        run = _Run(app, recording, explanation.plan, expression)
    return run.stops(divergences), run.hits


@dataclass(frozen=True, slots=True)
class _Moment:
    """Data that is only available while the handler runs."""

    stacks: tuple[TaskStack, ...]
    state: dict[str, bytes | None]


class _Run:
    def __init__(self, app: App, recording: Recording, plan: Plan, expression: str | None) -> None:
        self.app = app
        self.moments: list[_Moment] = []
        self.hits: list[int] = []
        self._expression = compile(expression, "<breakpoint>", "eval") if expression else None
        self.playback = play(app, recording, Assume(), plan=plan, on_call=self._note)
        journal, taken = self.playback.journal, self.playback.taken
        self.exact = (
            all(pair.recorded is not None for pair in self.playback.pairs)
            and len(self.playback.pairs) == len(list(journal.steps()))
            and list(taken) == sorted(p for p in taken if p is not None)
            and (self.playback.ended is not None) == (journal.output is not None)
        )

    def stops(self, divergences: Sequence[Divergence]) -> list[Stop]:
        pairs: list[Pair] = list(self.playback.pairs)
        if self.playback.ended is not None:
            pairs.append(Pair(self.playback.ended, self.playback.journal.output))
        results = self.playback.journal.by_key
        messages: tuple[dict[str, str], ...] = ()
        found: list[Stop] = []
        for moment, pair in zip(self.moments, pairs, strict=True):
            call, recorded = pair.call, pair.recorded
            asks_model = call.type == "Run" and call.name in MODEL_STEPS
            if asks_model:
                messages = conversation(call.arguments)
            result = None
            if recorded is not None and recorded.completion_id is not None:
                result = results.get(("completion", recorded.completion_id))
            index = None if recorded is None else recorded.command_index
            value: Any = None if result is None else result.value
            failed = result is not None and result.kind == "failure"
            found.append(
                Stop(
                    command_index=call.command_index,
                    title=call.title,
                    type=call.type,
                    name=call.name,
                    recorded_command_index=index,
                    journal_index=None if recorded is None else recorded.index,
                    notification_index=None if result is None else result.index,
                    result=None if failed else _plain(value),
                    failure=f"{value.code}: {value.message}" if failed else None,
                    where=call.where,
                    stacks=moment.stacks,
                    state={k: readable(v) for k, v in moment.state.items()},
                    arguments=call.arguments,
                    conversation=messages,
                    asks_model=asks_model,
                    divergences=tuple(d.kind for d in divergences if d.command_index == index),
                )
            )
        return found

    def _note(self, call: Call, playback: Playback) -> None:
        mine = list(frames_above(self.app.user, inspect.currentframe()))
        ended = playback.handler_run.ending.frame
        if call.type == "Output" and ended is not None:
            mine = [ended]
        stacks = [TaskStack("", tuple(describe(f) for f in mine))] if mine else []
        waiting = frames_of_tasks(self.app.user, playback.handler_run.loop)
        for name, frames in list(waiting.items())[:_MAX_TASKS]:
            if frames[-1] not in mine:
                stacks.append(TaskStack(name, tuple(describe(f) for f in frames)))
        self.moments.append(_Moment(tuple(stacks), dict(playback.state)))
        if self._expression is not None and mine and self._true(mine[0]):
            self.hits.append(call.command_index)

    def _true(self, frame: FrameType) -> bool:
        try:
            return bool(eval(self._expression or "", frame.f_globals, frame.f_locals))
        except Exception:
            return False


def _plain(value: Any) -> Any:
    return readable(value) if isinstance(value, bytes) else value
