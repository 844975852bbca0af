"""Prompts from the recorder's spans, with a real server, recorder and agents."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
from click.testing import CliRunner
from playhead.cli import cli
from playhead.local import ManagedProcess, free_port
from playhead.model import Span
from playhead.reader.invocation.recorded_prompts import add_prompts
from playhead.reader.recordings import find_recording, from_store
from playhead.replay import Recording, RecordingError, Report
from playhead.replay.worker import Worker
from playhead.restate.deployments import register_deployment
from playhead_samples.agents import __file__ as agents_package
from playhead_samples.sample_requests import example
from playhead_samples.stack import Stack
from playhead_tui.interfaces import Connection
from playhead_tui.sources.connector import connector
from prompt_world import SECONDS, World, listens
from waiting import until

HERE = Path(__file__).parent
SAMPLES = "playhead_samples.app:create_app()"
AGENTS = ("weather", "approval", "parallel_tools", "chat", "airline", "streaming", "wrapped_tools")
ODD = "tools: measure describe nothing picture thing refuse"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A recorder, a traced server, sample agents, and an agent with unusual prompts."""
    folder = tmp_path_factory.mktemp("prompts")
    with Stack(folder, only=AGENTS) as stack:
        port = free_port()
        command = [sys.executable, "-m", "hypercorn", "prompt_agents:app", "-b"]
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_url}
        log = folder / "odd.log"
        with ManagedProcess(
            "odd", [*command, f"127.0.0.1:{port}"], log=log, cwd=HERE, env=env
        ) as child:
            child.wait_until(lambda: listens(port), seconds=SECONDS, what="it listened")
            register_deployment(stack.settings.admin_url, f"http://127.0.0.1:{port}")
            yield World(stack)


@pytest.fixture(scope="module")
def weather(world: World) -> Recording:
    """An invocation of the weather agent, with prompts."""
    return world.found(world.ended("/WeatherAgent/run", example("weather").body))


@pytest.fixture(scope="module")
def weather_spans(world: World, weather: Recording) -> list[Span]:
    return world.recorded(weather.id)


def noted(recording: Recording) -> dict[int, list[tuple[str, str]]]:
    return {
        index: [(m["role"], m["text"]) for m in step["messages"]]
        for index, step in recording.steps.items()
        if "messages" in step
    }


def model_steps(recording: Recording) -> list[int]:
    """Return the ordinals of the model calls."""
    named = ("Model call", "Model stream call", "call LLM")
    return [c.command_index for c in recording.journal().commands if c.name in named]


def prompts(report: Report) -> list[tuple[int, str | None, str | None]]:
    assert {(d.kind, d.fatal) for d in report.divergences} <= {("prompt", False)}
    return [(d.command_index, d.recorded, d.current) for d in report.divergences]


PROMPTS = {
    "weather": ("You are a weather agent.", "You are a grumpy weather agent."),
    "chat": ("You are a friendly chat", "You are a grumpy chat"),
    "approval": ("You evaluate insurance claims", "You grumble at insurance claims"),
    "parallel-tools": ("You are a claim analyst", "You are a grumpy claim analyst"),
    "streaming": ("You are a storyteller", "You are a grumpy storyteller"),
    "wrapped-tools": ("You are a concierge", "You are a grumpy concierge"),
}
"""Beginnings of the system prompts of sample agents, with their replacements."""


def edited(source: Path, target: Path, old: str, new: str) -> None:
    text = source.read_text()
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
    target.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `grumpy:app`, whose sample agents have other prompts, and `calm:app`."""
    folder = tmp_path_factory.mktemp("changed")
    modules = {name: f"grumpy_{example(name).module}" for name in PROMPTS}
    for name, (old, new) in PROMPTS.items():
        source = Path(agents_package).parent / f"{example(name).module}.py"
        edited(source, folder / f"{modules[name]}.py", old, new)
    imports = "".join(f"import {module}\n" for module in modules.values())
    services = ", ".join(f"*{module}.SERVICES" for module in modules.values())
    (folder / "grumpy.py").write_text(f"import restate\n{imports}app = restate.app([{services}])\n")
    (folder / "calm.py").write_text(
        "import restate\nfrom playhead_samples.agents import weather\n"
        "app = restate.app(weather.SERVICES)\n"
    )
    return folder


@pytest.fixture(scope="module")
def grumpy(changed: Path) -> Iterator[Worker]:
    with Worker("grumpy:app", app_dir=changed) as worker:
        yield worker


@pytest.mark.parametrize("name", PROMPTS)
def test_the_same_code_has_no_differences_and_another_prompt_has_one(
    name: str, world: World, samples: Worker, grumpy: Worker
):
    one = example(name)
    path = one.path.replace(f"/{one.key}/", f"/{name}-{time.monotonic_ns()}/")
    if one.waits:  # for a person: its first step is there, its end is not
        ident = world.send(path, one.body)
        until(lambda: any(s.name.startswith("chat") and s.end for s in world.spans(ident)))
        recording = asyncio.run(find_recording(world.settings, ident))
    else:
        recording = world.found(world.ended(path, one.body))
    assert list(noted(recording)) == model_steps(recording)

    report = samples.report(recording)
    assert report.verdict == ("incomplete" if one.waits else "same")
    assert report.divergences == ()

    old, new = PROMPTS[name]
    shown = grumpy.report(recording)
    assert shown.verdict == report.verdict
    assert [index for index, *_ in prompts(shown)] == model_steps(recording)
    for _, recorded, current in prompts(shown):
        assert (recorded or "").startswith(f"message 1 (system): {old}")
        assert (current or "").startswith(f"message 1 (system): {new}")


def test_a_conversation_continues_from_the_state(world: World, samples: Worker):
    key = f"key-{time.monotonic_ns()}"
    world.ended(f"/ChatAgent/{key}/message", {"message": "My name is Ada."})
    recording = world.found(world.ended(f"/ChatAgent/{key}/message", {"message": "My name?"}))
    (messages,) = noted(recording).values()
    assert [role for role, _ in messages] == ["system", "user", "assistant", "user"]
    assert samples.report(recording).divergences == ()


def test_spans_of_the_openai_agents_sdk_have_no_prompts(world: World, samples: Worker):
    one = example("airline")
    recording = world.found(world.ended(one.path, one.body))
    assert model_steps(recording)
    assert recording.steps == {}
    assert samples.report(recording).divergences == ()


def test_the_prompt_is_that_of_the_answered_request(world: World, samples: Worker):
    httpx.post(
        f"{world.stack.llm_url}/control/faults",
        json={"do": "server_error", "agent": "weather", "prompt": "Bergen", "times": 2},
    ).raise_for_status()
    body = {"message": "What is the weather in Bergen?"}
    recording = world.found(world.ended("/WeatherAgent/run", body))
    spans = world.recorded(recording.id)
    assert sum(span.name == "run Model call" for span in spans) == 4
    assert list(noted(recording)) == model_steps(recording)
    assert samples.report(recording).divergences == ()
    # Without the span of the answer, the failed ones prove nothing.
    answer = next(s for s in spans if s.name.startswith("chat") and s.status != "error")
    rest = [span for span in spans if span is not answer]
    bare = asyncio.run(Recording.fetch(world.settings.admin_url, recording.id))
    assert list(noted(add_prompts(bare, rest))) == model_steps(recording)[1:]


@pytest.fixture(scope="module")
def odd() -> Iterator[Worker]:
    with Worker("prompt_agents:app", app_dir=HERE) as worker:
        yield worker


def test_unusual_contents_are_not_differences(world: World, odd: Worker, tmp_path: Path):
    recording = world.found(world.ended("/Odd/look", ODD))
    messages = noted(recording)
    assert list(messages) == model_steps(recording) == [1, 2, 3]
    assert messages[1][:2] == [
        ("system", "Be exact.\n\n  Keep   spaces."),
        ("system", "You <b>look</b> at [odd] things: \x1b[31mé\u202e😀\x00."),
    ]
    assert messages[1][3:] == [("user", "(a file)")] * 2
    shown = [text for _, text in messages[3]]
    assert 'describe → {"city": "Oslo", "n": 1}' in shown
    assert 'measure({"n": 1})' in shown
    assert "hm" not in shown
    report = odd.report(recording)
    assert (report.verdict, report.divergences) == ("same", ())

    saved = Recording.load(recording.save(tmp_path / "odd.journal.json"))
    assert saved.steps == recording.steps
    edited(HERE / "prompt_agents.py", tmp_path / "brief.py", "Be exact.", "Be brief.")
    with Worker("brief:app", app_dir=tmp_path) as worker:
        found = prompts(worker.report(saved))
    assert [index for index, *_ in found] == [1, 2, 3]
    assert found[0][2] == "message 1 (system): Be brief.\n\n  Keep   spaces."


def test_a_set_in_a_prompt_is_not_compared(world: World, odd: Worker):
    recording = world.found(world.ended("/Odd/look", "tools: names"))
    assert odd.report(recording).divergences == ()


def test_redacted_prompts_are_not_added(world: World, odd: Worker):
    recording = world.found(world.ended("/Odd/look", "I am ada@example.com"))
    assert model_steps(recording)
    assert recording.steps == {}
    assert odd.report(recording).divergences == ()


def test_a_prompt_of_a_megabyte(world: World, samples: Worker, grumpy: Worker):
    body = {"message": "What is the weather in Denver? " + "abc é\n" * 180_000}
    recording = world.found(world.ended("/WeatherAgent/run", body))
    assert noted(recording)[1][1] == ("user", body["message"])
    assert samples.report(recording).divergences == ()
    assert len(prompts(grumpy.report(recording))) == 2


def altered(spans: Sequence[Span], **attributes: Any) -> list[Span]:
    """Return the spans with changed attributes of requests; None omits one."""
    new = {f"gen_ai.{name}": value for name, value in attributes.items()}
    return [
        replace(s, attributes={k: v for k, v in {**s.attributes, **new}.items() if v is not None})
        if s.name.startswith("chat")
        else s
        for s in spans
    ]


UNSURE = {
    "no content": {
        "input.messages": '[{"role": "user", "parts": [{"type": "text"}]}]',
    },
    "no content but of a tool": {
        "input.messages": '[{"role": "user", "parts": [{"type": "tool_call_response"}]}]',
    },
    "no attribute": {"input.messages": None},
    "cut off": {"input.messages": '[{"role": "user", "parts": [{"type": "te'},
    "instructions cut off": {"system_instructions": '[{"type": "text", "conte'},
    "not messages": {"input.messages": '["a text"]'},
    "parts of another form": {"input.messages": '[{"role": "user", "parts": ["a text"]}]'},
    "no parts": {"input.messages": '[{"role": "user", "content": "a text"}]'},
    "another answer": {
        "output.messages": '[{"role": "assistant", "parts": [{"type": "text", "content": "x"}]}]',
    },
    "an answer that was not captured": {"output.messages": None},
}


@pytest.mark.parametrize("attributes", UNSURE.values(), ids=UNSURE)
def test_uncertain_prompts_are_not_added(
    attributes: dict[str, Any], weather: Recording, weather_spans: list[Span]
):
    bare = replace(weather, steps={})
    assert add_prompts(bare, weather_spans).steps == weather.steps
    assert add_prompts(bare, altered(weather_spans, **attributes)).steps == {}


def test_prompts_of_ambiguous_spans_are_not_added(weather: Recording, weather_spans: list[Span]):
    bare = replace(weather, steps={})
    requests = [span for span in weather_spans if span.name.startswith("chat")]

    def without(**fields: Any) -> list[Span]:
        return [replace(s, **fields) if s in requests else s for s in weather_spans]

    for fields in (
        {"status": "error"},
        {"end": None},
        {"scope_name": "another.instrumentation"},
        {"attributes": {**requests[0].attributes, "playhead.interrupted": True}},
    ):
        assert add_prompts(bare, without(**fields)).steps == {}
    # One request above two steps: a model that continues in parts has only the first prompt.
    first = requests[0].span_id
    runs = {s.span_id for s in weather_spans if s.name == "run Model call"}
    both = [replace(s, parent_span_id=first) if s.span_id in runs else s for s in weather_spans]
    assert add_prompts(bare, both).steps == {}


def test_prompts_are_the_same_after_the_server_deleted_the_journal(
    world: World, samples: Worker, grumpy: Worker
):
    recording = world.found(world.ended("/WeatherAgent/run", example("weather").body))

    def copied() -> bool:
        try:
            kept = asyncio.run(from_store(world.settings, recording.id))
        except RecordingError:
            return False
        return len(kept.entries) == len(recording.entries)

    until(copied)
    purge = f"{world.settings.admin_url}/invocations/{recording.id}/purge"
    httpx.patch(purge).raise_for_status()
    with pytest.raises(RecordingError):
        asyncio.run(Recording.fetch(world.settings.admin_url, recording.id))
    kept = asyncio.run(find_recording(world.settings, recording.id))
    assert kept.steps == recording.steps
    assert samples.report(kept).divergences == ()
    assert [index for index, *_ in prompts(grumpy.report(kept))] == [1, 3]


def test_the_command_line_counts_prompts_and_shows_them_as_from_arguments(
    world: World,
    weather: Recording,
    grumpy: Worker,
    changed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    file = tmp_path / "weather.journal.json"
    save = ["recording", "save", weather.id, str(file)]

    def run(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(cli, arguments, env=world.stack.environment)
        assert result.exit_code == code, result.output
        return result.stdout

    assert run(*save).endswith("8 entries, prompts of 2 steps\n")
    assert noted(Recording.load(file)) == noted(weather)
    counts = json.loads(run(*save, "--json"))
    assert (counts["prompts"], counts["arguments"]) == (2, 0)

    # Arguments contain more than prompts: where both are known, only they are saved.
    monkeypatch.chdir(changed)
    assert run(*save, "--app", "calm:app").endswith("8 entries, arguments of 3 steps\n")
    both = Recording.load(file)
    assert noted(both) == {}
    assert add_prompts(both, world.spans(weather.id)) == both
    assert grumpy.report(both).divergences == grumpy.report(weather).divergences

    old, new = PROMPTS["weather"]
    shown = run("replay", weather.id, "--app", "grumpy:app")
    assert "system prompt changed, in 2 model calls: #1, #5" in shown
    assert f"recorded: message 1 (system): {old}" in shown
    assert f"now:      message 1 (system): {new}" in shown


async def test_the_dashboard_gets_the_prompts(world: World, weather: Recording):
    shown: list[Connection] = []
    await connector(world.settings, record=False)(shown.append)
    (connection,) = shown
    assert connection.fetch_recording is not None
    assert connection.close is not None
    recording = await connection.fetch_recording(weather.id)
    await connection.close()
    assert recording.steps == weather.steps


def test_a_broken_store_does_not_affect_the_replay(
    world: World, weather: Recording, tmp_path: Path
):
    garbage, other = tmp_path / "garbage", tmp_path / "other"
    for folder in (garbage, other):
        folder.mkdir()
    (garbage / "playhead.duckdb").write_bytes(b"no database")
    duckdb.connect(str(other / "playhead.duckdb")).close()
    for store in (tmp_path / "none", garbage, other):
        recording = asyncio.run(find_recording(replace(world.settings, store=store), weather.id))
        assert recording == replace(weather, steps={})
