"""The SQL view of attempts and the screens name the same outcomes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from playhead.conventions import SUSPENDED_EVENT
from playhead.store.database import DATABASE
from recorded_store import ClosedStore, RecordedStore

ENDS: dict[str, dict[str, Any]] = {
    "succeeded": {},
    "failed": {"completion_result": "failure", "completion_failure": "[500] no"},
    "killed": {"completion_result": "failure", "completion_failure": "[409] killed"},
    "cancelled": {"completion_result": "failure", "completion_failure": "[409] cancelled"},
    "raised-killed": {"completion_result": "failure", "completion_failure": "[409] killed"},
    "suspended": {"status": "suspended", "completion_result": None, "completed_at": None},
    "gone": {"status": "gone", "completion_result": None, "completed_at": None},
}
ATTEMPTS = ("unset", "ok", "error", "suspended")


async def test_every_outcome_is_that_of_the_screens(tmp_path: Path) -> None:
    store = RecordedStore(tmp_path)
    for ending, columns in ENDS.items():
        for number, attempts in enumerate(itertools.product(ATTEMPTS, repeat=2)):
            id_ = store.invocation(f"inv_{ending}_{number}", **columns)
            if ending == "raised-killed":
                store.journal.append({"id": id_, "index": 1, "entry_type": "Command: Output"})
            for place, attempt in enumerate(attempts):
                store.span(
                    id_, {}, name="invocation-attempt Agent/run", start=1.0 + 2 * place,
                    status="unset" if attempt == "suspended" else attempt,
                    events=[{"name": SUSPENDED_EVENT}] if attempt == "suspended" else [],
                )  # fmt: skip
    reader = store.write()
    rows = await ClosedStore(tmp_path / DATABASE).rows(
        "SELECT invocation_id, number, outcome FROM attempts ORDER BY ALL"
    )
    found = {(row["invocation_id"], row["number"]): row["outcome"] for row in rows}
    assert len(found) == 2 * len(ENDS) * len(ATTEMPTS) ** 2
    assert set(found.values()) == {
        "completed", "suspended", "failed", "terminal error", "cancelled", "killed", "interrupted",
    }  # fmt: skip
    for ending, number in itertools.product(ENDS, (1, 6, 11)):
        id_ = f"inv_{ending}_{number}"
        detail = await reader.invocation(id_)
        assert detail is not None
        for attempt in detail.attempts:
            assert found[id_, attempt.number] == attempt.outcome, (id_, attempt)
