"""Manual agent loop: plain Restate without an agent framework.

Shows: the work that a framework would do. The model call and the tools are `ctx.run` steps;
the messages are local variables that replay rebuilds.

    curl localhost:8080/Calculator/run --json '{"question": "What is 6 times 7?"}'
"""

from __future__ import annotations

from typing import Any

import restate
from pydantic import BaseModel
from pydantic_ai.direct import model_request
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    SystemPromptPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition
from restate import RunOptions, TerminalError
from restate.ext.pydantic import PydanticTypeAdapter

from playhead_samples.agent_model import agent_model
from playhead_samples.effects import act
from playhead_samples.service_options import retries

MAX_TURNS = 8
PROMPT = "You are a calculator. Use the tool for every multiplication, then state the result."
TOOLS = [
    ToolDefinition(
        name="multiply",
        description="Multiply two numbers.",
        parameters_json_schema={
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"],
        },
    )
]

model = agent_model()
AS_RESPONSE: RunOptions[ModelResponse] = RunOptions(serde=PydanticTypeAdapter(ModelResponse))


class Question(BaseModel):
    """A question as free text."""

    question: str


async def ask(messages: list[ModelMessage]) -> ModelResponse:
    """Send one request to the model."""
    parameters = ModelRequestParameters(function_tools=TOOLS)
    return await model_request(model, messages, model_request_parameters=parameters)


async def multiply(arguments: dict[str, Any]) -> float:
    """Multiply two numbers."""
    await act("multiply", **arguments)
    return arguments["a"] * arguments["b"]


service = restate.Service("Calculator", invocation_retry_policy=retries())


@service.handler()
async def run(ctx: restate.Context, request: Question) -> str:
    """Call the model and its tools until it answers with a text."""
    opening = [SystemPromptPart(PROMPT), UserPromptPart(request.question)]
    messages: list[ModelMessage] = [ModelRequest(opening)]
    for _ in range(MAX_TURNS):
        response = await ctx.run_typed("Model call", ask, AS_RESPONSE, messages=messages)
        if not response.tool_calls:
            return response.text or ""
        results: list[ModelRequestPart] = [
            ToolReturnPart(
                call.tool_name,
                await ctx.run_typed(
                    f"Calling {call.tool_name}", multiply, arguments=call.args_as_dict()
                ),
                call.tool_call_id,
            )
            for call in response.tool_calls
        ]
        messages += [response, ModelRequest(results)]
    raise TerminalError(f"no answer after {MAX_TURNS} turns")


SERVICES = (service,)
