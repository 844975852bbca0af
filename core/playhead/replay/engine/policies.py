"""What commands get that the journal does not hold."""

from __future__ import annotations

from playhead.replay.engine.calls import Call
from playhead.replay.engine.emulated_vm import Answer
from playhead.replay.engine.playback import Playback

__all__ = ["Assume", "Dry"]

_WITHOUT_RESULT = ("SetState", "ClearState", "ClearAllState", "Sleep", "OneWayCall")


class Dry:
    """Nothing but what the run knows by itself: state that it wrote or read before."""

    def answer(self, call: Call, playback: Playback) -> Answer:
        """A known state value; else nothing, and the handler waits."""
        result = ("completion", -2 * call.index)
        if call.type == "GetState" and (call.about in playback.state or playback.state_whole):
            playback.results.show(result, playback.state.get(call.about))
        elif call.type == "GetStateKeys" and playback.state_whole:
            playback.results.show(result, playback.state_keys())
        else:
            return Answer()
        return Answer(result)


class Assume:
    """`None` for whatever the journal has no answer for, noted, so that the handler goes on."""

    def __init__(self) -> None:
        self.assumed: list[Call] = []
        """Calls whose result the handler may have looked at."""

    def answer(self, call: Call, playback: Playback) -> Answer:
        """A known state value, else `None`; a promise is never resolved."""
        if call.type == "GetPromise":
            return Answer()
        result, callee = ("completion", -2 * call.index), ("completion", -2 * call.index - 1)
        value: object = None
        if call.type == "GetState":
            value = playback.state.get(call.about)
        elif call.type == "GetStateKeys":
            value = playback.state_keys()
        if call.type not in _WITHOUT_RESULT:
            self.assumed.append(call)
        playback.results.show(result, value)
        playback.results.show(callee, f"(no invocation: {call.title} is new)")
        return Answer(result, callee)
