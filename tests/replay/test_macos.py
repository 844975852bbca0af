"""The launcher of macOS on other systems: its profile as text, and a stand-in for its program."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playhead.replay import app_process
from playhead.replay.child import confinement
from playhead.replay.sandbox import launch
from playhead.replay.sandbox.folders import Folders
from playhead.replay.sandbox.launch import Launcher, launcher, live_launcher, macos_profile
from playhead.replay.sandbox.system_calls import CompiledFilter
from sly_app import run

_TOKEN = re.compile(r'\s*(?:([()])|"((?:[^"\\]|\\.)*)"|([^\s()"]+))')
_OPERATIONS = {"default", "network*", "process-fork", "file-write*", "file-write-data"}
"""Operations of Apple's sandbox profile language that the profile uses."""
_FILTERS = {"subpath", "literal"}


def parsed(profile: str) -> list[Any]:
    """Return the expressions of a profile; texts are `("text", content)`."""
    stack: list[list[Any]] = [[]]
    at = 0
    while profile[at:].strip():
        found = _TOKEN.match(profile, at)
        assert found is not None, profile[at:]
        at = found.end()
        bracket, text, atom = found.groups()
        if bracket == "(":
            stack.append([])
        elif bracket == ")":
            ended = stack.pop()
            stack[-1].append(ended)
        else:
            stack[-1].append(("text", re.sub(r"\\(.)", r"\1", text)) if atom is None else atom)
    [whole] = stack
    return whole


@pytest.mark.parametrize("scratch", ["/private/var/folders/x", '/a "b" (c) \\d', "/é \t#;"])
def test_the_profile_is_one_of_the_language(scratch: str):
    folders = Folders((), (), (), scratch, "/work")
    version, *rules = parsed(macos_profile(folders))
    assert version == ["version", "1"]
    assert rules[0] == ["allow", "default"]
    for action, operation, *filters in rules:
        assert action in ("allow", "deny")
        assert operation in _OPERATIONS
        for name, (kind, path) in filters:
            assert (name in _FILTERS, kind, path[0]) == (True, "text", "/")
    denied = [rule[1:] for rule in rules if rule[0] == "deny"]
    assert denied == [["network*"], ["process-fork"], ["file-write*"]]
    allowed = [path for rule in rules[1:] if rule[0] == "allow" for _, (_, path) in rule[2:]]
    assert allowed == [scratch, "/dev/null", "/dev/tty", "/dev/dtracehelper"]


PROGRAM = """#!{python}
import json, os, sys
if {fails}: sys.exit(64)
option, profile, *command = sys.argv[1:]
assert option == "-p" and command
with open({log!r}, "a") as log:
    log.write(json.dumps([profile, command]) + chr(10))
os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--net", *command])
"""


@pytest.fixture
def macos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A system that looks like macOS; its `sandbox-exec` takes the network away, and keeps a log.

    Returns the folder of the program.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr(launch, "_SANDBOX_EXEC", str(folder / "sandbox-exec"))
    monkeypatch.setattr(launch, "_is_macos", lambda: True)
    monkeypatch.setattr(app_process, "compiled_filter", lambda: CompiledFilter(why_not="no Linux"))
    for cached in (launcher, live_launcher):
        cached.cache_clear()
    yield folder
    for cached in (launcher, live_launcher):
        cached.cache_clear()


def program(folder: Path, *, fails: bool = False) -> Path:
    """Write the stand-in; return its log."""
    log = folder / "log"
    path = folder / "sandbox-exec"
    path.write_text(PROGRAM.format(python=sys.executable, fails=fails, log=str(log)))
    path.chmod(0o755)
    return log


def test_a_replay_starts_in_the_profile_and_measures_what_it_does(macos: Path, tmp_path: Path):
    log = program(macos)
    report = run(tmp_path, "pass")
    assert report.verdict == "same", report
    tried, replayed = map(json.loads, log.read_text().splitlines())
    assert tried == ["(version 1)(allow default)", ["true"]]
    profile, command = replayed
    scratch = next(path for _, (_, path) in parsed(profile)[5][2:])
    assert "playhead-replay-" in scratch
    assert command[:3] == [sys.executable, "-m", "playhead.replay.child"]
    isolation = report.isolation
    assert isolation is not None
    assert isolation.held["network"] == isolation.held["sockets"] == ("sandbox-exec",)
    # The stand-in lets processes start: the name of a program is not believed.
    assert "sandbox-exec" not in isolation.held["processes"]


def test_a_program_that_fails_is_not_used(macos: Path, tmp_path: Path):
    program(macos, fails=True)
    assert launcher() == Launcher("", (), "sandbox-exec does not work")
    report = run(tmp_path, "pass")
    assert report.verdict == "same"
    assert report.isolation is not None
    assert report.isolation.unavailable["namespaces"] == "sandbox-exec does not work"


def test_another_program_of_that_name_is_not_used(
    macos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would only have to be first in PATH."""
    program(macos)
    monkeypatch.setenv("PATH", str(macos), prepend=":")
    monkeypatch.setattr(launch, "_SANDBOX_EXEC", str(tmp_path / "missing"))
    assert launcher() == Launcher("", (), "sandbox-exec does not work")


def test_folders_are_tested_without_files_that_have_no_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """macOS has no O_TMPFILE."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    confinement._write_in(str(tmp_path))
    assert not list(tmp_path.iterdir())
    assert confinement._refused(lambda: confinement._write_in("/proc/sys"))
