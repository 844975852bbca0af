"""Recordings of the sample agents: replayed, cut at every entry, stepped through, and changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from playhead.replay import Failure, Recording, ReplayError, Session, replay
from playhead.replay.worker import Worker

AGENTS = Path(__file__).parents[1] / "recordings" / "agents"
PATHS = sorted(AGENTS.glob("*.journal.json"))
APP = "playhead_samples.app:create_app()"


def session(samples: Worker, name: str) -> Session:
    recording = Recording.load(AGENTS / f"{name}.journal.json")
    return Session.within(samples, recording)


@pytest.mark.parametrize("path", PATHS, ids=[p.name.partition(".")[0] for p in PATHS])
def test_an_agent_replays_whole_and_cut_at_every_entry(path: Path, samples: Worker):
    recording = Recording.load(path)
    report = samples.report(recording)
    assert (report.verdict, report.divergences, report.notes) == ("same", (), ())
    assert {item.what for item in report.not_compared} <= {"model"}  # saved without its name
    for length in range(1, len(recording.entries)):
        cut = samples.report(recording.prefix(length), explain=False)
        assert (cut.verdict, cut.blocked) == ("incomplete", ()), (length, cut)
    # No step's closure ran.
    assert report.blocked == ()


def test_recordings_include_the_openai_agents_sdk():
    recording = Recording.load(AGENTS / "airline.journal.json")
    assert "call LLM" in {c.name for c in recording.journal().commands}


def test_stepping_shows_source_variables_and_the_conversation_so_far(samples: Worker):
    travel = session(samples, "weather")
    assert [s.title for s in travel.stops] == [
        "Run Model call", "Run Get weather", "Run Model call", "Output",
    ]  # fmt: skip
    first = travel.current
    assert first is not None
    assert first.asks_model
    assert [m["role"] for m in first.conversation] == ["system", "user"]
    assert first.conversation[1]["text"] == "What is the weather in Denver?"

    tool = travel.forward()
    assert tool is not None
    assert tool.frame is not None
    assert (tool.frame.function, tool.frame.variables) == ("get_weather", {"city": "'Denver'"})
    assert "weather.py" in (tool.where or "")
    assert tool.arguments["kwargs"] == {"city": "Denver"}

    second = travel.next_model_call()
    assert second is not None
    roles = [m["role"] for m in second.conversation]
    assert roles == ["system", "user", "assistant", "tool"]
    assert "Denver" in second.conversation[-1]["text"]
    assert travel.back() == tool
    assert travel.next_divergence() is None


def test_the_conversation_of_the_openai_agents_sdk_is_shown_too(samples: Worker):
    travel = session(samples, "airline")
    last = [s for s in travel.stops if s.asks_model][-1]
    assert {"system", "user"} <= {m["role"] for m in last.conversation}


def test_parallel_tools_show_the_stack_of_each_task(samples: Worker):
    travel = session(samples, "parallel-tools")
    widest = max(travel.stops, key=lambda s: len(s.stacks))
    assert len(widest.stacks) >= 2
    assert len({stack.task for stack in widest.stacks}) == len(widest.stacks)


def test_breakpoints_on_a_name_a_journal_index_and_an_expression(samples: Worker):
    travel = session(samples, "weather")
    assert travel.breakpoints(name="Get weather") == [2]
    tool = travel.stops[1]
    assert travel.breakpoints(journal_index=tool.journal_index) == [2]
    assert travel.breakpoints(journal_index=tool.notification_index) == [2]
    assert travel.breakpoints(expression="city == 'Denver'") == [2]
    assert travel.breakpoints(expression="city == 'Oslo'") == []
    with pytest.raises(ReplayError, match="SyntaxError"):
        travel.breakpoints(expression="city ==")


def test_what_if_the_weather_agent_had_answered_at_once(samples: Worker):
    outcome = session(samples, "weather").what_if({1: "I do not know Denver."})
    assert outcome.ended
    assert outcome.output == "I do not know Denver."
    assert outcome.original_output != outcome.output
    assert [(r.original, r.new, r.source) for r in outcome.rows] == [
        ("Run Model call", "Run Model call", "changed"),
        ("Run Get weather", None, ""),
        ("Run Model call", None, ""),
    ]


def test_what_if_the_weather_had_been_different(samples: Worker):
    travel = session(samples, "weather")
    report = {"city": "Denver", "temperature_c": -20, "sky": "snow"}
    dry = travel.what_if({3: report})
    # The model then gets another prompt, for which the recording has no answer.
    assert not dry.ended
    assert "Run Model call" in (dry.stopped or "")
    assert [r.source for r in dry.rows if r.new] == ["recorded", "changed", "none"]

    recorded = Recording.load(AGENTS / "weather.journal.json")
    journal = recorded.journal()
    result = journal.result_of(journal.commands[3])
    assert result is not None
    import json

    answer = json.loads(result.value)
    answer["parts"] = [{"part_kind": "text", "content": "Snow in Denver, -20 degrees."}]
    answered = travel.what_if({4: report}, answers={"Model call": answer})
    assert answered.output == "Snow in Denver, -20 degrees."
    assert answered.rows[-1].source == "answered"


@pytest.mark.parametrize(
    ("decision", "tool"), [(True, "approved"), (False, "rejected")], ids=["yes", "no"]
)
def test_what_if_the_person_had_decided_otherwise(samples: Worker, decision: bool, tool: str):
    travel = session(samples, "approval")
    outcome = travel.what_if({"awakeable:1": decision})
    if decision:  # as recorded
        assert outcome.ended
        assert outcome.output == outcome.original_output
        assert all(row.same for row in outcome.rows)
        return
    assert "Run Model call" in (outcome.stopped or "")
    unknown = outcome.rows[-1]
    assert (unknown.new, unknown.source) == ("Run Model call", "none")


def test_what_if_a_tool_had_failed_for_good(samples: Worker):
    outcome = session(samples, "weather").what_if({3: Failure("no such city", 404)})
    assert (outcome.ended, outcome.failure) == (True, "404: no such city")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({99: 1}, "no entry #99"),
        ({"command 99": 1}, "no command 99"),
        ({"#0": 1}, r"#0 \(Input\) has no result"),
        ({"weather": 1}, "'weather' does not name a result"),
        ({7: 1}, r"#7 \(Output\) has no result to change"),
        ({"awakeable:1": 1}, "no result of awakeable:1"),
        ({"signal:x": 1}, "no result of signal:x"),
    ],
)
def test_a_change_that_names_no_result_is_an_error(
    samples: Worker, change: dict[int | str, int], words: str
):
    with pytest.raises(ReplayError, match=words):
        session(samples, "weather").what_if(change)


def test_a_changed_prompt_is_shown_although_restate_does_not_notice(tmp_path: Path):
    from playhead_samples.agents import __file__ as package

    text = (Path(package).parent / "weather.py").read_text()
    old = "You are a weather agent."
    assert text.count(old) == 1
    text = text.replace(old, "You are a grumpy weather agent.")
    (tmp_path / "grumpy.py").write_text(f"{text}\napp = restate.app(SERVICES)\n")
    report = replay("grumpy:app", AGENTS / "weather.journal.json", app_dir=tmp_path)
    assert report.verdict == "same"
    assert {(d.kind, d.fatal) for d in report.divergences} == {("prompt", False)}
    first = report.divergences[0]
    assert (first.command_index, first.name) == (1, "Run Model call")
    assert first.recorded is not None
    assert first.current is not None
    assert first.recorded.startswith("message 1 (system): You are a weather agent")
    assert first.current.startswith("message 1 (system): You are a grumpy weather agent")
    assert len(report.divergences) == 2  # the same message, in both calls of the model
    runs = 1 + text[: text.index("durable_agent.run(")].count("\n")
    assert [d.where for d in report.divergences] == [f"{tmp_path / 'grumpy.py'}:{runs}"] * 2
