"""The messages of a model call, read from the step's arguments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from playhead.values import to_json_line

__all__ = ["conversation"]

_ROLES = {
    "system-prompt": "system",
    "user-prompt": "user",
    "tool-return": "tool",
    "retry-prompt": "tool",
    "text": "assistant",
    "tool-call": "assistant",
}


def conversation(arguments: Any) -> tuple[dict[str, str], ...]:
    """Return the messages, each `{"role", "text"}`; empty if the step is not a model call.

    Supports the model calls of Pydantic AI and of the OpenAI Agents SDK.

    Args:
        arguments: The step's arguments, from `arguments_of`.
    """
    if not isinstance(arguments, dict):
        return ()
    step = cast("dict[str, Any]", arguments)
    inner = step.get("variables", {})
    args = [*_list(step.get("args")), *_list(inner.get("args"))]
    kwargs = {**inner, **_dict(inner.get("kwargs")), **_dict(step.get("kwargs"))}
    messages: Any = kwargs.get("messages")
    for argument in args:
        if isinstance(argument, list):
            messages = cast("list[Any]", argument)
            break
    if _is_pydantic_ai(messages):
        return tuple(_pydantic_ai(messages))
    items = kwargs.get("input", args[1] if len(args) > 1 else None)
    system = kwargs.get("system_instructions", args[0] if args else None)
    return tuple(_openai(system, items))


def _pydantic_ai(messages: Any) -> Iterator[dict[str, str]]:
    for message in messages:
        if message.get("instructions"):
            yield {"role": "system", "text": str(message["instructions"])}
        for part in message["parts"]:
            kind = part.get("part_kind", "")
            if kind == "tool-call":
                text = f"{part.get('tool_name')}({_text(part.get('args'))})"
            elif kind == "tool-return":
                text = f"{part.get('tool_name')} → {_text(part.get('content'))}"
            else:
                text = _text(part.get("content"))
            yield {"role": _ROLES.get(kind, kind), "text": text}


def _openai(system: Any, items: Any) -> Iterator[dict[str, str]]:
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    if not isinstance(items, list):
        return
    if isinstance(system, str) and system:
        yield {"role": "system", "text": system}
    for item in map(_dict, cast("list[Any]", items)):
        kind = item.get("type")
        if kind == "function_call":
            text = f"{item.get('name')}({_text(item.get('arguments'))})"
            yield {"role": "assistant", "text": text}
        elif kind == "function_call_output":
            yield {"role": "tool", "text": _text(item.get("output"))}
        elif "content" in item:
            yield {"role": str(item.get("role", kind)), "text": _parts(item["content"])}


def _parts(content: Any) -> str:
    if not isinstance(content, list):
        return _text(content)
    texts = [_dict(part).get("text") for part in cast("list[Any]", content)]
    return "\n".join(str(text) for text in texts if text is not None)


def _is_pydantic_ai(messages: Any) -> bool:
    return isinstance(messages, list) and all(
        isinstance(m, dict) and isinstance(m.get("parts"), list)  # pyright: ignore[reportUnknownMemberType]
        for m in cast("list[Any]", messages)
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json_line(value)


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _dict(value: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
