"""Copies for terminals that do not accept OSC 52: the text is left in a file instead."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs
from playhead.formatting import one_line, size

__all__ = ["LIMIT", "copied", "leave_copy", "refuses_copies"]

LIMIT = 74_994
"""Bytes that xterm and tmux accept; longer texts are dropped without notice."""
TMUX_SECONDS = 2.0
"""Time that tmux has to answer."""


def copied(text: str, send: Callable[[str], None]) -> str:
    """Copy a text, or leave it in a file, and return what to tell the user.

    Args:
        text: The text.
        send: Sends it to the terminal; not called with what every terminal drops.

    Raises:
        OSError: The file cannot be written.
    """
    fits = len(text.encode(errors="replace")) <= LIMIT
    is_in_tmux = bool(os.environ.get("TMUX")) and copied_by_tmux(text)
    if fits and not is_in_tmux:
        send(text)
    about = f"{size(len(text.encode(errors='replace')))}: {one_line(text[:400], 60)}"
    if is_in_tmux:
        return f"Copied into tmux's buffer, {about}"
    if not refuses_copies(text):
        return f"Copied {about}"
    path = leave_copy(text)
    if fits:
        return f"The terminal may not have copied {about}\nIt is also in {path}"
    return f"Too large for the clipboard, {about}\nIt was saved as {path}"


def refuses_copies(text: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the terminal is known to ignore a copy of this text.

    Terminals do not answer, so this names those that are known not to implement it: Apple's
    Terminal, the Linux console, GNU screen, and terminals of GNOME's VTE before version 0.76.
    """
    version = environ.get("VTE_VERSION", "")
    return (
        len(text.encode(errors="replace")) > LIMIT
        or environ.get("TERM_PROGRAM") == "Apple_Terminal"
        or (
            environ.get("TERM", "").split("-")[0] in ("linux", "screen") and not environ.get("TMUX")
        )
        or (version.isdigit() and int(version) < 7600)
    )


def copied_by_tmux(text: str) -> bool:
    """Copy a text into tmux's buffer, and through it to the terminal; return whether that worked.

    With its default `set-clipboard external`, tmux drops the copies of programs in it without
    notice, but makes those that it is asked for.
    """
    try:
        done = subprocess.run(
            ["tmux", "load-buffer", "-w", "-"],
            input=text.encode(errors="replace"),
            capture_output=True,
            timeout=TMUX_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def leave_copy(text: str, folder: Path | None = None) -> Path:
    """Write a text into a file that only its owner can read, and return its path."""
    folder = folder or Path(platformdirs.user_state_dir("playhead"))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "copied.txt"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    return path
