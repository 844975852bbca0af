"""What running code asks a model, in the words that its span would have used.

Pydantic AI itself is made to tell: its own instrumentation writes the attributes, so that a
prompt of today has the form of the recorded one. Other frameworks are not known here.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from copy import copy
from typing import Any, cast

from playhead.decode.prompts import Messages, plain_messages
from playhead.decode.spans import complete_prompt
from playhead.replay.engine.arguments import StepCall

__all__ = ["asked"]


class _Attributes(dict[str, Any]):
    """Takes the place of a span."""

    def is_recording(self) -> bool:
        return True

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.update(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self[key] = value


def asked(call: StepCall) -> Messages | None:
    """The prompt of a step that asks a model; None where it cannot be told for certain."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _asked(call)
    except Exception:  # another framework, or a version of Pydantic AI with other insides
        return None


def _asked(call: StepCall) -> Messages | None:
    from pydantic_ai.messages import ModelResponse

    given = _given(*call)
    parts = [part for message in given["messages"] for part in message.parts]
    if any(_unordered(getattr(part, "content", None)) for part in parts):
        return None
    parameters = given["self"].prepare_request(
        given["model_settings"], given["model_request_parameters"]
    )[1]
    span = _Attributes()
    known: dict[str, Any] = {
        "input_messages": given["messages"],
        "response": ModelResponse(parts=[]),
        "system": "",
        "span": span,
        "parameters": parameters,
        "message_json_cache": {},
    }
    told = _settings().handle_messages
    told(**{name: known[name] for name in inspect.signature(told).parameters})
    prompt = complete_prompt(span)
    return None if prompt is None else plain_messages(prompt)


def _given(action: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """A model's method with its arguments, or the closure around a stream with its variables."""
    if inspect.ismethod(action):
        bound = inspect.signature(action).bind(*args, **kwargs)
        return {"self": action.__self__, **bound.arguments}
    cells = zip(action.__code__.co_freevars, action.__closure__, strict=True)
    return {name: cell.cell_contents for name, cell in cells}


def _settings() -> Any:
    """Those that the app gives to all agents, which may write prompts in a way of their own."""
    from pydantic_ai import Agent
    from pydantic_ai.models.instrumented import InstrumentationSettings

    given = getattr(Agent, "_instrument_default", None)
    if not isinstance(given, InstrumentationSettings):
        return InstrumentationSettings()
    settings = copy(given)
    settings.include_content = True
    return settings


def _unordered(value: Any) -> bool:
    """Whether a set is in it, whose order is another one in each process."""
    if isinstance(value, set | frozenset):
        return True
    if isinstance(value, list | tuple):
        return any(map(_unordered, cast("list[Any]", value)))
    members = cast("Any", value if isinstance(value, Mapping) else getattr(value, "__dict__", {}))
    return any(map(_unordered, members.values()))
