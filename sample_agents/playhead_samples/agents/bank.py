"""Bank agent without a framework: a conversation object, an account object, a loan workflow.

Shows: a native Restate loop. The conversation is state, the tools are calls to other objects, and
a person may have to approve a loan days later.

    curl localhost:8080/BankAgent/ada/message --json '{"message": "What is my balance?"}'
    curl localhost:8080/BankAgent/ada/message --json '{"message": "Show my transactions."}'
    curl localhost:8080/BankAgent/ada/message --json '{"message": "I need a loan of 2000 USD."}'
    curl localhost:8080/BankAgent/ada/message --json '{"message": "I need a loan of 90000 USD."}'
    curl localhost:8080/LoanWorkflow/ada-90000/approve --json 'true'
"""

from __future__ import annotations

from typing import Any

import restate
from pydantic import BaseModel, TypeAdapter
from pydantic_ai.direct import model_request
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    SystemPromptPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition
from restate import RunOptions, TerminalError
from restate.ext.pydantic import PydanticTypeAdapter

from playhead_samples.agent_model import agent_model
from playhead_samples.agents import bank_account, bank_loan
from playhead_samples.service_options import retries

MAX_TURNS = 6
PROMPT = (
    "You are a bank agent. Use the tools for the balance, the transactions and loans; "
    "never make up numbers."
)
NOTHING: dict[str, Any] = {"type": "object", "properties": {}}
AMOUNT: dict[str, Any] = {
    "type": "object",
    "properties": {"amount": {"type": "integer"}},
    "required": ["amount"],
}
TOOLS = [
    ToolDefinition(
        name="get_balance", description="The balance in USD.", parameters_json_schema=NOTHING
    ),
    ToolDefinition(
        name="get_transactions",
        description="The latest transactions.",
        parameters_json_schema=NOTHING,
    ),
    ToolDefinition(
        name="request_loan",
        description="Apply for a loan of this amount in USD.",
        parameters_json_schema=AMOUNT,
    ),
]

MESSAGES = TypeAdapter(list[ModelMessage])
AS_RESPONSE: RunOptions[ModelResponse] = RunOptions(serde=PydanticTypeAdapter(ModelResponse))
model = agent_model()


class UserMessage(BaseModel):
    """A message from the customer."""

    message: str


async def ask(messages: list[ModelMessage]) -> ModelResponse:
    """Send one request to the model."""
    parameters = ModelRequestParameters(function_tools=TOOLS)
    return await model_request(model, messages, model_request_parameters=parameters)


async def as_json(messages: list[ModelMessage]) -> Any:
    """Return the conversation as JSON; later attempts replay the result of the first one."""
    return MESSAGES.dump_python(messages, mode="json")


async def use_tool(ctx: restate.ObjectContext, call: ToolCallPart) -> Any:
    """Run a tool call of the model as a call to another object."""
    customer = ctx.key()
    match call.tool_name:
        case "get_balance":
            return await ctx.object_call(bank_account.balance, key=customer, arg=None)
        case "get_transactions":
            return await ctx.object_call(bank_account.transactions, key=customer, arg=None)
        case "request_loan":
            loan = bank_loan.Loan(customer=customer, amount=int(call.args_as_dict()["amount"]))
            key = f"{customer}-{loan.amount}"
            ctx.workflow_send(bank_loan.run, key=key, arg=loan)
            return await ctx.workflow_call(bank_loan.first_answer, key=key, arg=None)
        case _:
            return f"There is no tool {call.tool_name}."


agent = restate.VirtualObject("BankAgent", invocation_retry_policy=retries())


@agent.handler()
async def message(ctx: restate.ObjectContext, request: UserMessage) -> str:
    """Answer the customer; the conversation is stored in the object's state."""
    stored = await ctx.get("messages", type_hint=list[Any])
    messages = MESSAGES.validate_python(stored) if stored else []
    parts: list[ModelRequestPart] = [] if messages else [SystemPromptPart(PROMPT)]
    messages.append(ModelRequest([*parts, UserPromptPart(request.message)]))
    for _ in range(MAX_TURNS):
        response = await ctx.run_typed("Model call", ask, AS_RESPONSE, messages=messages)
        messages.append(response)
        if not response.tool_calls:
            # Messages contain their creation time. State is compared on replay, so values that
            # differ between attempts have to pass through a step.
            ctx.set("messages", await ctx.run_typed("Keep messages", as_json, messages=messages))
            return response.text or ""
        results: list[ModelRequestPart] = [
            ToolReturnPart(call.tool_name, await use_tool(ctx, call), call.tool_call_id)
            for call in response.tool_calls
        ]
        messages.append(ModelRequest(results))
    raise TerminalError(f"no answer after {MAX_TURNS} turns")


SERVICES = (agent, bank_account.account, bank_loan.loans)
