"""Child processes end together with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from playhead.errors import ProcessError
from playhead.local import ManagedProcess
from waiting import until

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


def up(child: ManagedProcess) -> bool:
    return child.log.exists() and "up" in child.log.read_text()


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(*pids: int) -> None:
    until(lambda: all(gone(pid) for pid in pids), "all processes have ended", seconds=10)


def test_start_stop_and_start_again(tmp_path: Path) -> None:
    child = ManagedProcess("sleeper", SLEEPER, log=tmp_path / "log")
    assert not child.running
    child.start()
    child.wait_until(lambda: up(child), seconds=10, what="it was up")
    first = child.pid
    with pytest.raises(ProcessError, match="is already running"):
        child.start()
    child.stop()
    child.stop()
    assert gone(first)
    with child:
        assert child.running
        assert child.pid != first
    assert not child.running


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=r"nothing cannot be started"):
        ManagedProcess("nothing", [tmp_path / "no-such-program"], log=tmp_path / "log").start()


def test_an_early_end_shows_the_log(tmp_path: Path) -> None:
    child = ManagedProcess(
        "early", [sys.executable, "-c", "print('the reason'); exit(7)"], log=tmp_path / "log"
    )
    child.start()
    with pytest.raises(ProcessError, match=r"(?s)exit code 7.*the reason"):
        child.wait_until(lambda: False, seconds=10, what="it was ready")


def test_a_stubborn_process_is_killed(tmp_path: Path) -> None:
    code = f"import signal; signal.signal(15, signal.SIG_IGN); {SLEEPER[-1]}"
    child = ManagedProcess("stubborn", [sys.executable, "-c", code], log=tmp_path / "log").start()
    child.wait_until(lambda: up(child), seconds=10, what="it was up")
    child.stop(grace=0.2)
    assert child.returncode == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_children_do_not_outlive_a_killed_parent(tmp_path: Path, number: int) -> None:
    # The process that runs the tests may ignore SIGHUP, as nohup does; children inherit that.
    script = f"""
import pathlib, signal, time
from playhead.local import ManagedProcess
signal.signal({int(number)}, signal.SIG_DFL) if {int(number)} != signal.SIGKILL else None
child = ManagedProcess("c", {SLEEPER!r}, log=pathlib.Path({str(tmp_path / "log")!r})).start()
print(child.pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    with parent:
        assert parent.stdout is not None
        child_pid = int(parent.stdout.readline())
        assert not gone(child_pid)
        parent.send_signal(number)
        parent.wait(timeout=10)
    wait_until_gone(child_pid)


def test_the_helper_has_ended_when_its_parent_has(tmp_path: Path) -> None:
    script = f"""
import pathlib
from playhead.local import ManagedProcess
with ManagedProcess("c", ["true"], log=pathlib.Path({str(tmp_path / "log")!r})):
    pass
"""
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interrupt_during_the_start_waits_until_the_child_is_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[call-overload]
            signal.raise_signal(signal.SIGINT)

    child = ManagedProcess("newborn", SLEEPER, log=tmp_path / "log")
    with ManagedProcess("first", ["true"], log=tmp_path / "log"):
        pass  # The reaper runs from here on.
    monkeypatch.setattr("playhead.local.process.subprocess.Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        child.start()
    assert child.running
    child.stop()


def test_variables_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    monkeypatch.setenv("PLAIN", "kept")
    script = "import os; print({n: os.environ.get(n) for n in ('OTEL_TRACES_SAMPLER', 'PLAIN')})"
    command = [sys.executable, "-c", f"{script}; print('up')"]
    with ManagedProcess("env", command, log=tmp_path / "log", without=("OTEL_",)) as child:
        until(lambda: up(child), "it has printed its variables")
    assert "'OTEL_TRACES_SAMPLER': None, 'PLAIN': 'kept'" in child.log.read_text()
