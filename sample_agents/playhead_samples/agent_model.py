"""The model of the sample agents.

- `PLAYHEAD_MODEL` (any Pydantic AI model string, such as `openai:gpt-5-mini`): a real
  provider; its key is read from the provider's usual environment variable.
- `PLAYHEAD_LLM_URL`: the local LLM server, called through the real OpenAI client.

Retries in the client are off: Restate retries durably, and the failures stay visible.
"""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import httpx
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
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

from playhead_samples.attempt_log import current_invocation

__all__ = ["agent_model", "agents_sdk_model", "openai_client"]

LOCAL_MODEL = "gpt-local"
LOCAL_URL = "http://127.0.0.1:4390"
INVOCATION_HEADER = "x-invocation-id"
"""Header that tells the local LLM server which invocation sends a request."""
OPENAI = ("openai", "openai-chat", "openai-responses")
RETRYABLE = (408, 409, 425, 429)
"""Status codes that are worth a retry; every other 4xx is terminal."""


class RestateErrorModel(WrapperModel):
    """A model that turns a provider's HTTP errors into terminal errors or delayed retries."""

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Call the model. Raises TerminalError or RetryableError for an HTTP error."""
        with _http_errors():
            return await super().request(messages, model_settings, model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Call the model with a streamed answer. Raises the same errors as `request`."""
        with _http_errors():
            async with super().request_stream(
                messages, model_settings, model_request_parameters, run_context
            ) as stream:
                yield stream


@contextmanager
def _http_errors() -> Generator[None]:
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
    """Return the client for OpenAI if `PLAYHEAD_MODEL` is set, else for the local LLM server."""
    timeout = float(os.environ.get("PLAYHEAD_LLM_TIMEOUT", "30"))
    if os.environ.get("PLAYHEAD_MODEL"):
        return AsyncOpenAI(max_retries=0, timeout=timeout)
    url = os.environ.get("PLAYHEAD_LLM_URL", LOCAL_URL).rstrip("/")
    http = DefaultAsyncHttpxClient(timeout=timeout, event_hooks={"request": [_name_invocation]})
    return AsyncOpenAI(
        base_url=f"{url}/v1", api_key="local", max_retries=0, timeout=timeout, http_client=http
    )


async def _name_invocation(request: httpx.Request) -> None:
    """Add the invocation's id, so that the LLM server's log counts by invocation."""
    if invocation := current_invocation.get():
        request.headers[INVOCATION_HEADER] = invocation


@functools.cache
def agent_model() -> Model:
    """Return the model of all sample agents."""
    model_name = os.environ.get("PLAYHEAD_MODEL")
    if not model_name:
        provider = OpenAIProvider(openai_client=openai_client())
        return RestateErrorModel(OpenAIChatModel(LOCAL_MODEL, provider=provider))
    return RestateErrorModel(infer_model(model_name, _provider))


def agents_sdk_model() -> str:
    """Return the name of the model for the OpenAI Agents SDK, which supports only OpenAI's models.

    Empty for other providers: the SDK then uses its default model, which needs OpenAI's key.
    """
    model_name = os.environ.get("PLAYHEAD_MODEL")
    if not model_name:
        return LOCAL_MODEL
    provider, _, name = model_name.partition(":")
    return name if provider in OPENAI else ""


def _provider(name: str) -> Provider[Any]:
    if name in OPENAI:
        return OpenAIProvider(openai_client=openai_client())
    return infer_provider(name)
