"""The initial journal of an invocation that was restarted as new."""

from __future__ import annotations

from dataclasses import replace

from playhead.errors import RecordingError
from playhead.journal.commands import ResultKey, title_of
from playhead.journal.recording import Recording

__all__ = ["restarted"]


def restarted(recording: Recording, from_entry: int = 0) -> Recording:
    """Return the recording of the new invocation as the server would start it.

    The journal keeps the entries up to `from_entry`, and their results from anywhere in the
    journal. The new invocation has another id, and therefore other random numbers. The id here is
    invented.

    Args:
        recording: The invocation to restart.
        from_entry: Journal index of the last entry to keep.

    Raises:
        RecordingError: A command up to `from_entry` has no result, which the server refuses.
    """
    journal = recording.journal()
    wanted: set[ResultKey] = set()
    for command in journal.commands:
        if command.index > from_entry:
            continue
        ids = [i for i in (command.completion_id, command.call_id_completion) if i is not None]
        missing = [i for i in ids if ("completion", i) not in journal.by_key]
        if missing:
            raise RecordingError(
                f"{title_of(command)} (#{command.index}) has no result yet, and Restate keeps only "
                "completed commands",
                "Restart from an earlier entry.",
            )
        wanted.update(("completion", i) for i in ids)
    later = {r.index for r in journal.results if r.key in wanted}
    kept_entries = [e for e in recording.entries if e.index <= from_entry or e.index in later]
    entries = tuple(replace(entry, index=index) for index, entry in enumerate(kept_entries))
    return replace(
        recording,
        invocation={**recording.invocation, "id": _other_id(recording.id)},
        entries=entries,
        random_seed=None,
    )


def _other_id(invocation_id: str) -> str:
    return invocation_id[:-1] + ("1" if invocation_id.endswith("0") else "0")
