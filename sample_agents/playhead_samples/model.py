"""Which model the sample agents talk to.

- `PLAYHEAD_MODEL` (any Pydantic AI model string, such as `openai:gpt-5-mini`): a real provider;
  its key stands in the provider's usual variable.
- `PLAYHEAD_LLM_URL`: the local scripted server, spoken to by the real OpenAI client.

Client-side retries are off: Restate retries, durably, and the failures stay visible.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from openai import AsyncOpenAI
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, infer_model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers import Provider, infer_provider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from restate.exceptions import TerminalError

__all__ = ["LOCAL_MODEL", "agent_model", "agents_sdk_model", "openai_client"]

LOCAL_MODEL = "gpt-local"
LOCAL_URL = "http://127.0.0.1:4390"
OPENAI = ("openai", "openai-chat", "openai-responses")
RETRYABLE = (408, 409, 425, 429)
"""Refusals that may turn into an answer; every other 4xx is final."""


class FinalRefusals(WrapperModel):
    """Makes an answer that no retry will change (a 4xx) final for Restate too."""

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask the model. Raises TerminalError for a final refusal."""
        try:
            return await super().request(messages, model_settings, model_request_parameters)
        except ModelHTTPError as error:
            if 400 <= error.status_code < 500 and error.status_code not in RETRYABLE:
                raise TerminalError(str(error), status_code=error.status_code) from error
            raise


@functools.cache
def openai_client() -> AsyncOpenAI:
    """The OpenAI client, made once: of OpenAI when `PLAYHEAD_MODEL` is set, else of the local server."""
    timeout = float(os.environ.get("PLAYHEAD_LLM_TIMEOUT", "30"))
    if os.environ.get("PLAYHEAD_MODEL"):
        return AsyncOpenAI(max_retries=0, timeout=timeout)
    url = os.environ.get("PLAYHEAD_LLM_URL", LOCAL_URL).rstrip("/")
    return AsyncOpenAI(base_url=f"{url}/v1", api_key="local", max_retries=0, timeout=timeout)


@functools.cache
def agent_model() -> Model:
    """The model of all sample agents, made once."""
    chosen = os.environ.get("PLAYHEAD_MODEL")
    if not chosen:
        provider = OpenAIProvider(openai_client=openai_client())
        return FinalRefusals(OpenAIChatModel(LOCAL_MODEL, provider=provider))
    return FinalRefusals(infer_model(chosen, _provider))


def agents_sdk_model() -> str:
    """The model's name for the OpenAI Agents SDK, which knows OpenAI's models alone.

    With another provider in `PLAYHEAD_MODEL` it is the SDK's default, which needs OpenAI's key.
    """
    chosen = os.environ.get("PLAYHEAD_MODEL")
    if not chosen:
        return LOCAL_MODEL
    provider, _, name = chosen.partition(":")
    return name if provider in OPENAI else ""


def _provider(name: str) -> Provider[Any]:
    if name in OPENAI:
        return OpenAIProvider(openai_client=openai_client())
    return infer_provider(name)
