"""Each LLM call is found once, in all the ways in which spans and journals can show it."""

from __future__ import annotations

import itertools
import random
from typing import Any

from playhead.journal.llm_calls import Answer, Calls, CallSpan, find_calls
from playhead.model import LlmCall, Tokens

ATTEMPT_SECONDS = 1000


def said(text: str) -> LlmCall:
    return LlmCall("gpt", "openai", Tokens(10, len(text)), text)


def llm(id_: str, parent: str | None, at: int, text: str = "", **more: Any) -> CallSpan:
    made = CallSpan(id_, parent, "llm", at, at + 5, succeeded=True, content=said(text))
    return made._replace(**more)


def tool(id_: str, parent: str | None, at: int, call: str = "", **more: Any) -> CallSpan:
    made = CallSpan(id_, parent, "tool", at, at + 5, succeeded=True, tool="look_up")
    return made._replace(call_id=call or id_, **more)


def attempt(id_: str, at: int) -> CallSpan:
    return CallSpan(id_, None, "attempt", at, at + ATTEMPT_SECONDS)


def step(id_: str, parent: str, at: int, completion: int, attempt_id: str = "a1") -> CallSpan:
    return CallSpan(id_, parent, "other", at, at + 2, completion_id=completion,
                    attempt_id=attempt_id)  # fmt: skip


def answer(number: int, at: int, text: str = "", *, copied: bool = False) -> Answer:
    return Answer(number * 2 - 1, number, at, copied, said(text))


def counted(spans: list[CallSpan], found: Calls) -> list[str]:
    return [s.span_id for s in spans if s.succeeded and s.span_id not in found.duplicates]


def test_a_call_is_shown_by_the_span_above_its_step() -> None:
    spans = [attempt("a1", 0), llm("chat", "a1", 10, attempt_id="a1"), step("run", "chat", 11, 1)]
    assert find_calls(spans, [answer(1, 20)]) == Calls({}, ())


def test_a_call_is_shown_by_the_span_under_its_step() -> None:
    spans = [attempt("a1", 0), step("run", "a1", 10, 1), llm("chat", "run", 11, attempt_id="a1")]
    assert find_calls(spans, [answer(1, 20)]) == Calls({}, ())


def test_the_client_of_a_provider_shows_the_call_of_the_framework_again() -> None:
    spans = [
        attempt("a1", 0),
        llm("outer", "a1", 10, attempt_id="a1"),
        step("run", "outer", 11, 1),
        llm("inner", "run", 12, attempt_id="a1"),
    ]
    found = find_calls(spans, [answer(1, 20)])
    assert found == Calls({"inner": "nested"}, ())


def test_the_inner_span_counts_when_the_outer_one_was_lost() -> None:
    spans = [
        llm("outer", "a1", 10, attempt_id="a1", succeeded=False),
        step("run", "outer", 11, 1),
        llm("inner", "run", 12, attempt_id="a1"),
    ]
    found = find_calls(spans, [answer(1, 20)])
    assert (counted(spans, found), found.without_span) == (["inner"], ())


def test_calls_of_a_tool_are_calls_of_their_own() -> None:
    """A tool that asks a model is below the span of no other LLM call."""
    spans = [
        llm("outer", None, 1),
        tool("tool", "outer", 2),
        llm("inner", "tool", 3),
        CallSpan("agent", "outer", "agent", 1, None),
        llm("delegate", "agent", 4),
    ]
    assert find_calls(spans, []).duplicates == {}


def test_an_answer_without_a_span_is_found() -> None:
    """The process was killed: the span is still open, or never arrived."""
    open_span = llm("chat", "a1", 10, succeeded=False, attempt_id="a1")
    for spans in ([], [attempt("a1", 0), open_span._replace(end=None), step("run", "chat", 11, 1)]):
        assert find_calls(spans, [answer(1, 20)]).without_span == (answer(1, 20),)


def test_an_answer_that_was_lost_before_the_journal_is_a_call_of_its_own() -> None:
    """The first process was killed after the answer, the second after the journal had its own."""
    spans = [
        attempt("a1", 0),
        llm("chat", "a1", 10, attempt_id="a1"),
        step("run", "chat", 11, 1),
        attempt("a2", 100),
    ]
    found = find_calls(spans, [answer(1, 120)])
    assert (counted(spans, found), found.without_span) == (["chat"], (answer(1, 120),))


def test_copied_answers_are_apart() -> None:
    copied = answer(1, 5, copied=True)
    spans = [attempt("a1", 10), llm("chat", "a1", 20, attempt_id="a1"), step("run", "chat", 21, 2)]
    assert find_calls(spans, [copied, answer(2, 30)]).without_span == (copied,)


def test_replays_without_the_bridge_repeat_spans() -> None:
    texts = ["look it up", "it is 20 degrees"]
    first = [attempt("a1", 0), llm("one", "a1", 10, texts[0]), tool("t1", "a1", 20, "call")]
    second = [
        attempt("a2", 100),
        llm("one again", "a2", 101, texts[0]),
        tool("t1 again", "a2", 110, "call"),
        llm("two", "a2", 120, texts[1]),
    ]
    third = [
        attempt("a3", 200),
        llm("one, third", "a3", 201, texts[0]),
        tool("t1, third", "a3", 202, "call"),
        llm("two, third", "a3", 210, texts[1]),
    ]
    spans = [*first, *second, *third]
    found = find_calls(spans, [answer(1, 16, texts[0]), answer(2, 126, texts[1])])
    # The tool of the second attempt may have run again: no later answer was in the journal.
    assert counted(spans, found) == ["one", "t1", "t1 again", "two"]
    assert set(found.duplicates.values()) == {"repeated"}
    assert found.without_span == ()


def test_an_equal_answer_to_a_second_request_is_no_repetition() -> None:
    """The journal had no answer when the second attempt started: the model was asked again."""
    spans = [attempt("a1", 0), llm("lost", "a1", 10, "yes"), attempt("a2", 100),
             llm("again", "a2", 110, "yes")]  # fmt: skip
    found = find_calls(spans, [answer(1, 120, "yes")])
    assert (counted(spans, found), found.without_span) == (["lost", "again"], ())


def test_a_call_outside_of_steps_is_made_in_each_attempt() -> None:
    spans = [
        attempt("a1", 0),
        llm("plain", "a1", 5, "hello"),
        llm("durable", "a1", 10, "answer"),
        attempt("a2", 100),
        llm("plain again", "a2", 105, "hello"),
        llm("durable again", "a2", 110, "answer"),
    ]
    found = find_calls(spans, [answer(1, 20, "answer")])
    assert counted(spans, found) == ["plain", "durable", "plain again"]


def test_repetitions_of_copied_answers_are_recognized() -> None:
    spans = [attempt("a1", 100), llm("copied", "a1", 101, "old"), llm("new", "a1", 110, "new")]
    copied = answer(1, 10, "old", copied=True)
    found = find_calls(spans, [copied, answer(2, 120, "new")])
    assert (counted(spans, found), found.without_span) == (["new"], (copied,))


def test_random_histories_without_the_bridge_are_counted_exactly() -> None:
    """Attempts die at any point: before or after an answer, and before or after its journaling."""
    for seed in range(300):
        draw = random.Random(seed)
        texts = [draw.choice(("yes", "no", f"answer {n}")) for n in range(draw.randrange(1, 6))]
        spans: list[CallSpan] = []
        answers: list[Answer] = []
        numbers = itertools.count()
        made = at = 0
        for n in range(1, 6):
            at += 1000
            spans.append(attempt(f"a{n}", at))
            last = n == 5
            for position, text in enumerate(texts):
                at += 10
                known = position < len(answers)
                spans.append(llm(f"s{next(numbers)}", f"a{n}", at, text))
                if known:
                    continue
                made += 1
                if not last and draw.random() < 0.2:
                    break  # killed after the answer, before the journal has it
                answers.append(answer(position + 1, at + 6, text))
                if not last and draw.random() < 0.2:
                    if draw.random() < 0.5:
                        spans.pop()  # killed before the span was sent
                    break
        found = find_calls(draw.sample(spans, len(spans)), answers)
        total = len(counted(spans, found)) + len(found.without_span)
        assert total == made, seed
