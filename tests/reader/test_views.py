"""Views of a whole invocation: conversation, changes of state, calls."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import playhead.reader.invocation.conversation as conversation_module
import pytest
from playhead.model import (
    Invocation,
    InvocationDetail,
    LlmCall,
    Message,
    Step,
    TimelineRow,
    Tokens,
)
from playhead.reader.invocation.conversation import conversation, repeated_messages
from playhead.reader.invocation.key_changes import key_changes
from playhead.reader.reader import Reader
from recorded_store import RecordedStore


def message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def contents(prompt: list[dict[str, Any]], answer: str) -> dict[str, str]:
    return {
        "gen_ai.input.messages": json.dumps(prompt),
        "gen_ai.output.messages": json.dumps([message("assistant", answer)]),
    }


async def test_each_turn_shows_what_the_call_added(tmp_path: Path) -> None:
    store = RecordedStore(tmp_path)
    store.invocation("inv_a")
    first = [message("system", "Be brief."), message("user", "Weather?")]
    other = [message("system", "You review."), message("user", "Claim?")]
    second = [*first, message("assistant", "Where?"), message("user", "Denver")]
    store.chat("inv_a", "m", (1, 1), start=1, agent="main", attributes=contents(first, "Where?"))
    store.chat("inv_a", "m", (1, 1), start=2, agent="sub", attributes=contents(other, "Covered"))
    store.chat("inv_a", "m", (1, 1), start=3, agent="main", attributes=contents(second, "Rain"))
    replayed = {**contents(first, "Where?"), "playhead.replayed": True}
    store.chat("inv_a", "m", (1, 1), start=4, attributes=replayed)
    store.chat("inv_a", "m", (0, 0), start=5, status="error", message="429", attributes={})
    detail = await store.write().invocation("inv_a")
    assert detail is not None
    turns = conversation(detail)
    assert [(t.agent, t.repeated, [m.text for m in t.added], [m.text for m in t.answer])
            for t in turns] == [
        ("main", 0, ["Be brief.", "Weather?"], ["Where?"]),
        ("sub", 0, ["You review.", "Claim?"], ["Covered"]),
        ("main", 3, ["Denver"], ["Rain"]),
        ("", None, [], []),
    ]  # fmt: skip
    assert turns[3].error == "429"


def test_an_answer_in_other_words_is_repeated_too() -> None:
    asked = (Message("user", ({"type": "text", "content": "Hi"},)),)
    before = LlmCall("m", None, None, "Hello", prompt=asked)
    answered = Message("assistant", ({"type": "text", "content": "Hello", "id": "7"},))
    assert repeated_messages(replace(before, prompt=(*asked, answered, *asked)), [before]) == 2
    assert repeated_messages(replace(before, prompt=asked), []) == 0


def test_each_message_is_compared_once_however_many_calls_were_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[int] = []
    digests = conversation_module._digests

    def counted(prompt: Any) -> Any:
        compared.append(len(prompt))
        return digests(prompt)

    monkeypatch.setattr(conversation_module, "_digests", counted)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    words = [Message("user", ({"type": "text", "content": str(n)},)) for n in range(40)]
    steps = tuple(
        Step(index=n, command_index=n, kind="llm", type="Command: Run", name="Model call",
             state="done", started_at=at + timedelta(seconds=n), ended_at=None,
             llm=LlmCall("m", None, None, "", prompt=tuple(words[: n + 1])))
        for n in range(40)
    )  # fmt: skip
    rows = tuple(
        TimelineRow(f"step:{s.index}", 0, "step", s.name, s.started_at, None, "done", 1, step=s)
        for s in steps
    )
    head = Invocation("inv_a", "A/run", "A", "run", None, "succeeded", at)
    turns = conversation(InvocationDetail(head, steps, (), (), rows, {}))
    assert [len(turn.added) for turn in turns] == [1] * 40
    assert len(compared) == 2 * 40, "once to compare a prompt, and once to remember it"


async def test_a_call_counts_its_branch_once(tmp_path: Path) -> None:
    store = RecordedStore(tmp_path)
    calls = {"inv_a": None, "inv_b": "inv_a", "inv_c": "inv_a", "inv_d": "inv_b", "inv_x": None}
    for number, (id_, caller) in enumerate(calls.items()):
        store.invocation(id_, f"{id_[-1].upper()}/run", created=number, invoked_by_id=caller)
    store.chat("inv_a", "own", (10, 1))
    store.chat("inv_d", "own", (5, 2))
    store.chat("inv_d", "own", (5, 2))
    tree = await store.write().calls("inv_a")
    assert tree is not None
    assert [(n.row.id, n.depth, n.llm_calls, n.tokens) for n in tree.nodes] == [
        ("inv_a", 0, 3, Tokens(20, 5)), ("inv_b", 1, 2, Tokens(10, 4)),
        ("inv_d", 2, 2, Tokens(10, 4)), ("inv_c", 1, None, None),
    ]  # fmt: skip
    assert not tree.more
    assert await Reader(None, None).calls("inv_a") is None


async def test_changes_show_a_key_before_and_after(reader: Reader, ran: Any) -> None:
    detail = await reader.invocation(ran.ids["an agent that consults two other agents"])
    assert detail is not None
    changes = key_changes(detail)
    assert [(c.kind, c.key, c.before_known, c.before, c.after) for c in changes] == [
        ("set", "last_specialist", False, None, "medical"),
        ("set", "last_specialist", True, "medical", "car"),
    ]
    turns = conversation(detail)
    assert len(turns) == detail.summary.llm_calls
    assert [turn.agent for turn in turns] == ["intake", "medical", "intake", "car", "intake"]
    assert all(turn.index is not None for turn in turns)
