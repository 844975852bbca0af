"""Which model the sample agents talk to.

- `PLAYHEAD_MODEL` (any Pydantic AI model string, such as `openai:gpt-5-mini`): a real provider;
  its key stands in the provider's usual variable.
- `PLAYHEAD_LLM_URL`: the local scripted server, spoken to by the real OpenAI client.

Client-side retries are off: Restate retries, durably, and the failures stay visible.
"""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

from openai import AsyncOpenAI
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse, infer_model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers import Provider, infer_provider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext
from restate.exceptions import RetryableError, TerminalError

__all__ = ["LOCAL_MODEL", "agent_model", "agents_sdk_model", "openai_client"]

LOCAL_MODEL = "gpt-local"
LOCAL_URL = "http://127.0.0.1:4390"
OPENAI = ("openai", "openai-chat", "openai-responses")
RETRYABLE = (408, 409, 425, 429)
"""Refusals that may turn into an answer; every other 4xx is final."""


class RestateErrors(WrapperModel):
    """Tells Restate what a provider's refusal means: that it is final, or how long to wait."""

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask the model. Raises TerminalError or RetryableError for a refusal."""
        with _refusals():
            return await super().request(messages, model_settings, model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Ask the model for a stream. Raises as `request` does."""
        with _refusals():
            async with super().request_stream(
                messages, model_settings, model_request_parameters, run_context
            ) as stream:
                yield stream


@contextmanager
def _refusals() -> Generator[None]:
    try:
        yield
    except ModelHTTPError as error:
        status = error.status_code
        if 400 <= status < 500 and status not in RETRYABLE:
            raise TerminalError(str(error), status_code=status) from error
        if error.retry_after is not None:
            wait = timedelta(seconds=error.retry_after)
            raise RetryableError(str(error), status_code=status, retry_after=wait) from error
        raise


@functools.cache
def openai_client() -> AsyncOpenAI:
    """The OpenAI client, made once: OpenAI's when `PLAYHEAD_MODEL` is set, else the local one."""
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
        return RestateErrors(OpenAIChatModel(LOCAL_MODEL, provider=provider))
    return RestateErrors(infer_model(chosen, _provider))


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
