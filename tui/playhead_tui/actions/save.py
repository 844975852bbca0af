"""Saving the payloads of a step, which are shown in part only, as files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from playhead.formatting import size
from playhead.model import Step

from playhead_tui.dialogs.dialog import Choice, Menu, Prompt
from playhead_tui.interfaces import Dashboard

__all__ = ["path_of", "path_problem", "save_payload", "write_new"]

LETTERS: Sequence[str] = ("s", "r")
"""Letters of what a step sent, and of its result."""


async def save_payload(dashboard: Dashboard, invocation_id: str, step: Step) -> None:
    """Ask for a file name, and save a payload of a step: the bytes that the journal has.

    Args:
        dashboard: Shows the dialogs.
        invocation_id: The invocation.
        step: The step.
    """
    found: dict[str, tuple[int, bytes]] = {}
    try:
        for letter, index in zip(LETTERS, (step.index, step.notification_index), strict=True):
            if index is not None and index >= 0:
                content = await dashboard.reader.payload_bytes(invocation_id, index)
                if content is not None:
                    found[letter] = (index, content)
    except Exception as error:
        dashboard.notify(f"Cannot be read: {error or type(error).__name__}", severity="error")
        return
    chosen = await _choose(dashboard, found)
    if chosen is not None:
        index, content = found[chosen]
        await _save(dashboard, f"{invocation_id}-{index}{_suffix(content)}", content)


async def _choose(dashboard: Dashboard, found: dict[str, tuple[int, bytes]]) -> str | None:
    if not found:
        dashboard.notify("The step has no payload.")
        return None
    if len(found) == 1:
        return next(iter(found))
    labels = dict(zip(LETTERS, ("Sent", "Result"), strict=True))
    choices = [
        Choice(letter, labels[letter], f"#{index}, {size(len(content))}")
        for letter, (index, content) in found.items()
    ]
    return await dashboard.push_screen_wait(Menu("Save what?", choices))


async def _save(dashboard: Dashboard, name: str, content: bytes) -> None:
    """Ask for a file until the payload is saved, or the dialog is closed."""
    problem = ""
    while True:
        title = f"Save {size(len(content))} as"
        typed = await dashboard.push_screen_wait(
            Prompt(title, value=name, error=problem, check=path_problem)
        )
        if typed is None:
            return
        name, path = typed, path_of(typed)
        try:
            await asyncio.to_thread(write_new, path, content)
        except OSError as error:
            problem = f"Not saved: {error.strerror or error}"
        else:
            dashboard.notify(f"Saved {size(len(content))} in {path}")
            return


def path_problem(text: str) -> str | None:
    """Return why a new file cannot have this name; None if it can. Nothing is replaced."""
    if not text.strip():
        return "Type the name of a file."
    try:
        path = path_of(text)
        os.fsencode(path)
        if "\0" in text:
            return "Not the name of a file: it has a null character."
        if path.is_dir():
            return f"{path} is a folder: add a file name."
        if os.path.lexists(path):
            return f"{path} exists: choose another name."
        if not path.parent.is_dir():
            return f"The folder {path.parent} does not exist."
    except (OSError, ValueError, RuntimeError) as error:
        return f"Not the name of a file: {getattr(error, 'strerror', None) or error}"
    return None


def path_of(text: str) -> Path:
    """Return the whole path of a name that was typed."""
    return Path(text.strip()).expanduser().absolute()


def write_new(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read; nothing is left of one that is incomplete.

    Raises:
        OSError: The file exists, or cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _suffix(content: bytes) -> str:
    """Return how the name ends; parsing a large payload would take several times its size."""
    return ".json" if content[:1] in (b"{", b"[", b'"') else ".bin"
