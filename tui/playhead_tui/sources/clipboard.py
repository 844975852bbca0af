"""Copies for terminals that do not accept OSC 52: the text is left in a file instead."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs
from playhead.formatting import one_line, size

__all__ = ["LIMIT", "copied", "leave_copy", "refuses_copies"]

LIMIT = 74_994
"""Bytes that xterm and tmux accept; longer texts are dropped without notice."""


def copied(text: str, send: Callable[[str], None]) -> str:
    """Copy a text, or leave it in a file, and return what to tell the user.

    Args:
        text: The text.
        send: Sends it to the terminal; not called with what every terminal drops.

    Raises:
        OSError: The file cannot be written.
    """
    fits = len(text.encode(errors="replace")) <= LIMIT
    if fits:
        send(text)
    about = f"{size(len(text.encode(errors='replace')))}: {one_line(text[:400], 60)}"
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
        or (environ.get("TERM", "").split("-")[0] in ("linux", "screen") and "TMUX" not in environ)
        or (version.isdigit() and int(version) < 7600)
    )


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
