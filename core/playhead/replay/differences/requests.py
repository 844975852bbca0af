"""The parts of a model call's request besides its messages: tools, settings, output schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from playhead.values import as_dict, as_list

__all__ = ["Request", "request_of"]

_SCHEMA = (
    "output_mode", "output_object", "output_tools", "prompted_output_template",
    "allow_text_output", "allow_image_output",
)  # fmt: skip
"""Members of Pydantic AI's request parameters that describe the output."""
_TOOLS = ("function_tools", "native_tools", "builtin_tools")
"""Members of Pydantic AI's request parameters that are lists of tools."""


@dataclass(frozen=True)
class Request:
    """A request to a model, without its messages."""

    tools: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    settings: Any = None
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    model: str | None = None
    """Name of the model; None if unknown."""
    other: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """All other arguments, by name or position."""


def request_of(arguments: Any) -> Request:
    """Return the request in the arguments of a model's step, from `arguments_of`.

    Supports the model calls of Pydantic AI and of the OpenAI Agents SDK.
    """
    step = as_dict(arguments)
    inner = as_dict(step.get("variables"))
    args = [*as_list(step.get("args")), *as_list(inner.get("args"))]
    named = {**inner, **as_dict(inner.get("kwargs")), **as_dict(step.get("kwargs"))}
    named.pop("args", None)
    named.pop("kwargs", None)
    model = step.get("model")
    position = next((i for i, a in enumerate(args) if "function_tools" in as_dict(a)), None)
    if position is not None:
        named.setdefault("model_request_parameters", args[position])
        if position:
            named.setdefault("model_settings", args[position - 1])
        args = args[: max(0, position - 1)] + args[position + 1 :]
    parameters = dict(as_dict(named.pop("model_request_parameters", None)))
    settings = named.pop("model_settings", None)
    if parameters:
        tools = [tool for name in _TOOLS for tool in as_list(parameters.pop(name, None))]
        schema = {name: parameters.pop(name) for name in _SCHEMA if name in parameters}
    else:
        tools = [*as_list(named.pop("tools", None)), *as_list(named.pop("handoffs", None))]
        schema = {"output_schema": named.pop("output_schema", None)}
    for name in ("messages", "input", "system_instructions"):
        named.pop(name, None)
    positional = {f"args[{i}]": a for i, a in enumerate(args) if not isinstance(a, list)}
    return Request(
        tools=[
            cast("Mapping[str, Any]", t) if isinstance(t, Mapping) else {"name": t} for t in tools
        ],
        settings=settings,
        schema=schema,
        model=str(model) if model is not None else None,
        other={**positional, **named, **parameters},
    )
