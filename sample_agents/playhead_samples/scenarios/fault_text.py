"""Faults in words, for those who watch and for the documentation."""

from __future__ import annotations

from playhead_samples.scenarios.scenario import ModelFault, ToolFault

__all__ = ["of_model_fault", "of_tool_fault"]

TOOL = {
    "raise": "fails",
    "terminal": "fails for good",
    "hang": "does not come back",
    "slow": "is slow by {seconds:g} s",
    "exit": "takes the process with it (kill -9)",
}
MODEL = {
    "rate_limit": "answers 429, Retry-After {seconds:g} s",
    "server_error": "answers 500",
    "hang": "does not answer",
    "slow": "is slow by {seconds:g} s",
    "malformed": "answers with broken JSON",
    "reset": "resets the connection",
    "truncate": "breaks off in the middle of its answer",
    "wrong_tool": "calls a tool that does not exist",
    "invalid_arguments": "calls the tool with invalid arguments",
    "context_length": "refuses with 400: the context is too long",
}


def of_tool_fault(fault: ToolFault) -> str:
    """Such as "get_weather fails, at call 1 and 2, with Denver"."""
    words = f"{fault.tool} {TOOL[fault.do].format(seconds=fault.seconds)}"
    if fault.when == "after":
        words += ", after it has acted"
    if fault.call is not None:
        calls = [fault.call] if isinstance(fault.call, int) else fault.call
        words += f", at call {' and '.join(map(str, calls))}"
    return words + (f", with {fault.match}" if fault.match else "")


def of_model_fault(fault: ModelFault) -> str:
    """Such as "the LLM answers 500 to weather, from request 2 on"."""
    words = f"the LLM {MODEL[fault.do].format(seconds=fault.seconds)}"
    if fault.agent:
        words += f", for the agent {fault.agent}"
    if fault.prompt:
        words += f", where {fault.prompt!r} was said"
    match fault.times:
        case None:
            return words + (", always" if fault.call == 1 else f", from request {fault.call} on")
        case 1:
            return f"{words}, at request {fault.call}"
        case times:
            return f"{words}, at requests {fault.call} to {fault.call + times - 1}"
