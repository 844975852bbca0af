"""The contract with private parts of restate-sdk, asyncio and Pydantic AI."""

from __future__ import annotations

import ast
import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest
import restate
from playhead import replay
from playhead.errors import AppError
from playhead.replay.engine import sdk, shortcuts
from playhead.replay.engine.emulated_vm import EmulatedVM
from pydantic_ai import Agent
from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.test import TestModel
from restate import server, server_context
from restate.vm import VMWrapper

PRIVATE = ("restate._internal", "restate.vm", "restate.server", "pydantic_ai")


def test_only_one_module_imports_private_parts():
    folder = Path(replay.__file__).parent
    importing: dict[str, set[str]] = {}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            found = {name for name in names if name.startswith(PRIVATE)}
            if found:
                importing.setdefault(path.relative_to(folder).as_posix(), set()).update(found)
    assert set(importing) == {"engine/sdk.py"}, importing


def test_the_installed_versions_have_everything():
    assert sdk.problems() == []
    assert sdk.limitations() == []
    sdk.require()


@pytest.mark.parametrize(
    ("owner", "name"),
    [(server, "VMWrapper"), (server, "ServerInvocationContext"), (VMWrapper, "sys_run"),
     (VMWrapper, "do_progress")],
)  # fmt: skip
def test_a_missing_required_part_is_an_error_that_names_it(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delattr(owner, name)
    with pytest.raises(
        AppError, match=rf"restate-sdk \d\S+ cannot replay: .* has no {name}"
    ) as caught:
        sdk.require()
    assert "Install Playhead in this environment again" in caught.value.hint


def test_an_unknown_journal_command_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(VMWrapper, "sys_dance", lambda self: None, raising=False)
    with pytest.raises(AppError, match="unknown commands: sys_dance"):
        sdk.require()


@pytest.mark.parametrize("name", sdk.SHORTCUTS)
def test_without_a_shortcut_replay_is_slower_but_works(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(server_context, name)
    shortcuts.are_available.cache_clear()
    try:
        assert sdk.problems() == []
        assert any(f"server_context has no {name}" in text for text in sdk.limitations())
        with shortcuts.shortcuts():
            assert not hasattr(server_context, name)
    finally:
        shortcuts.are_available.cache_clear()


def test_without_the_closures_of_steps_arguments_are_not_compared(monkeypatch: pytest.MonkeyPatch):
    context = server_context.ServerInvocationContext
    for name in ("run", "run_typed"):
        monkeypatch.setattr(context, name, lambda self, name, closure: None)
    assert any("arguments of steps" in text for text in sdk.limitations())


def test_the_sdk_makes_its_state_machine_and_its_context_by_name():
    assert vars(server)["VMWrapper"] is VMWrapper
    assert vars(server)["ServerInvocationContext"] is server_context.ServerInvocationContext
    parameters = inspect.signature(server_context.ServerInvocationContext).parameters
    assert "handler" in parameters


def test_substitution_lasts_for_the_run_only():
    originals = (vars(server)["VMWrapper"], vars(server)["ServerInvocationContext"])
    with sdk.substituted(EmulatedVM, lambda handler: handler):
        assert vars(server)["VMWrapper"] is EmulatedVM
    assert (vars(server)["VMWrapper"], vars(server)["ServerInvocationContext"]) == originals


def test_the_emulated_state_machine_has_every_method_of_the_sdks():
    methods = {
        name
        for name, _ in inspect.getmembers(VMWrapper, inspect.isfunction)
        if not name.startswith("_")
    }
    emulated = {name for name, _ in inspect.getmembers(EmulatedVM, inspect.isfunction)}
    assert methods <= emulated, methods - emulated
    for name in methods:
        ours = list(inspect.signature(getattr(EmulatedVM, name)).parameters)
        theirs = list(inspect.signature(getattr(VMWrapper, name)).parameters)
        assert len(ours) == len(theirs) or "_" in ours, name


def test_the_closure_of_a_step_is_found_from_its_command():
    found: list[Any] = []

    class Machine:
        def is_replaying(self) -> bool:
            return False

        def sys_run(self, name: str) -> Any:
            found.append(sdk.step_call())
            raise RuntimeError("enough")

    context: Any = object.__new__(server_context.ServerInvocationContext)
    context.vm = Machine()

    def work(city: str) -> str:
        raise AssertionError(city)

    with pytest.raises(RuntimeError, match="enough"):
        context.run_typed("step", work, restate.RunOptions(), "Oslo")
    assert found == [(work, ("Oslo",), {})]
    assert sdk.step_call() is None


def test_the_loop_shows_whether_callbacks_are_ready():
    async def main() -> list[bool]:
        loop = asyncio.get_running_loop()
        before = sdk.others_ready(loop)
        loop.call_soon(lambda: None)
        return [before, sdk.others_ready(loop)]

    assert asyncio.run(main()) == [False, True]


def test_every_task_step_runs_below_the_same_code():
    async def codes() -> list[Any]:
        frame, found = inspect.currentframe(), []
        while frame is not None:
            found.append(frame.f_code)
            frame = frame.f_back
        return found

    assert sdk.TASK_STEP in asyncio.run(codes())


@pytest.mark.parametrize("instrument", [None, InstrumentationSettings(include_content=False)])
def test_pydantic_ai_writes_a_prompt_as_in_its_spans(instrument: Any):
    Agent.instrument_all(instrument or False)
    try:
        messages = [ModelRequest(parts=[UserPromptPart("What is the weather?")])]
        model = TestModel()
        call = (model.request, (messages, None, ModelRequestParameters()), {})
        request = sdk.model_request(call)
        assert request.messages is messages
        attributes = sdk.prompt_attributes(request)
    finally:
        Agent.instrument_all(False)
    assert "What is the weather?" in attributes["gen_ai.input.messages"]
