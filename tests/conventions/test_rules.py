"""The rule for answered LLM calls is the same in Python, the reader and the store's view."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playhead.conventions import (
    ANSWERED_LLM_CALL,
    EXECUTED_LLM_CALL,
    INPUT_TOKENS,
    INTERRUPTED,
    LLM_CALL,
    LLM_OPERATIONS,
    OPERATION,
    OUTPUT_TOKENS,
    REPLAYED,
    TOKENS_IN,
    TOKENS_OUT,
)
from playhead.decode.spans import is_answered, is_llm_call, llm_call
from playhead.model import Span, Tokens
from playhead.reader.listing.stored import StoredInvocations
from playhead.record.client import StoreClient, connect
from playhead.settings import Settings
from playhead.store.database import Store
from playhead.store.span_writer import UNSET, SpanRow, SpanWriter

INVOCATION = "inv_1"
ABSENT = object()
FLAGS = (ABSENT, True, False, "true", "false", "", None, 1, 0, [True], {"true": True})
OPERATIONS = (ABSENT, *LLM_OPERATIONS, "embeddings", "invoke_agent", "execute_tool", "Chat", "",
              None, 7, True, ["chat"], {"chat": "chat"})  # fmt: skip
ENDS = (None, 20)
KINDS = [
    *((name, value) for name, values in LLM_CALL.kinds.items() for value in values),
    *((name, value) for name in LLM_CALL.kinds for value in ("TOOL", "ai.generateText", 7, "")),
]
"""Values of the attributes by which each convention names a span's kind."""
STATUSES = ("unset", "ok", "error", "3")
TOKENS = (ABSENT, 0, 5, "7", "many", None, -1)


def attributes_of(**values: Any) -> dict[str, Any]:
    names = {
        "operation": OPERATION, "replayed": REPLAYED, "interrupted": INTERRUPTED,
        "sent": INPUT_TOKENS, "received": OUTPUT_TOKENS,
    }  # fmt: skip
    return {names[key]: value for key, value in values.items() if value is not ABSENT}


def generated() -> Iterator[tuple[dict[str, Any], int | None, str]]:
    """Return all pairs of relevant values, and a thousand random combinations."""
    for operation, status, end in itertools.product(OPERATIONS, STATUSES, ENDS):
        yield attributes_of(operation=operation), end, status
    for replayed, interrupted in itertools.product(FLAGS, FLAGS):
        flags = attributes_of(operation="chat", replayed=replayed, interrupted=interrupted)
        yield flags, 20, "unset"
    draw = random.Random(7)
    for _ in range(1000):
        attributes = attributes_of(
            operation=draw.choice((*OPERATIONS, *["chat"] * 20)),
            replayed=draw.choice((*FLAGS, *[ABSENT] * 10)),
            interrupted=draw.choice((*FLAGS, *[ABSENT] * 10)),
            sent=draw.choice(TOKENS),
            received=draw.choice(TOKENS),
        )
        if draw.random() < 0.3:
            name, value = draw.choice(KINDS)
            attributes[name] = value
            for synonyms in (TOKENS_IN, TOKENS_OUT):
                attributes[draw.choice(synonyms.names)] = draw.choice((0, 5, "7", "many"))
        yield attributes, draw.choice(ENDS), draw.choice(STATUSES)


def row(number: int, attributes: dict[str, Any], end: int | None, status: str) -> SpanRow:
    return (
        "a" * 32, f"{number:016x}", None, "a span", "internal", "agents", "scope", 10, end, status,
        "", json.dumps(attributes), "{}", "[]", "[]", INVOCATION,
        *UNSET,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules")
    store = Store(path)
    SpanWriter(store).write(row(n, *span) for n, span in enumerate(generated(), 1))
    store.close()
    return path


async def stored(folder: Path) -> tuple[StoreClient, list[Span]]:
    client = await connect(Settings(store=folder))
    assert client is not None
    return client, await StoredInvocations(client).spans.read(INVOCATION)


async def test_view_and_python_agree_on_every_span(folder: Path) -> None:
    client, spans = await stored(folder)
    executed = {r["span_id"]: r["answered"] for r in await client.rows("SELECT * FROM llm_calls")}
    assert len(spans) == len(list(generated()))
    for span in spans:
        ended = span.end is not None
        expected = EXECUTED_LLM_CALL.matches(span.attributes, ended=ended, status=span.status)
        assert (span.span_id in executed) == expected, span.attributes
        assert executed.get(span.span_id, False) == is_answered(span), span.attributes
    answered = sum(executed.values())
    assert 100 < answered < len(executed) < len(spans)


@pytest.mark.parametrize("rule", [LLM_CALL, EXECUTED_LLM_CALL, ANSWERED_LLM_CALL])
async def test_sql_is_never_null(folder: Path, rule: Any) -> None:
    client, _ = await stored(folder)
    [found] = await client.rows(
        f"SELECT count(*) AS spans FROM spans s WHERE {rule.sql(span='s')} IS NULL"
    )
    assert found["spans"] == 0


async def test_counts_and_python_agree(folder: Path) -> None:
    client, spans = await stored(folder)
    counts = (await StoredInvocations(client).counts([INVOCATION]))[INVOCATION]
    answers = [llm_call(span) for span in spans if is_answered(span)]
    assert any(is_llm_call(span) and not is_answered(span) for span in spans)
    assert counts.llm_calls == len(answers)
    assert counts.tokens == sum((call.tokens for call in answers if call.tokens), Tokens())
