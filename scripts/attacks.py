"""Run the attacks of the tests, count them, and write the table in docs/attacks.md.

`make attacks` takes about half an hour; `python scripts/attacks.py WORD` repeats a part. A case is
one attack with one input; a test that tries several has their number as the property `cases`. A
case that gets through makes the command fail.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "attacks.md"


@dataclass(frozen=True)
class Attack:
    """One row of the table."""

    name: str
    held: str
    """What holds."""
    tests: tuple[str, ...]
    """Files or tests."""


_LIVE = "test_a_live_step_has_the_network_its_folder_and_nothing_else"
ATTACKS = (
    Attack(
        "native and Python code in a replay: files, network, Unix sockets, processes, daemons, "
        "secrets of the environment",
        "nothing leaves the process, nothing is left behind, the report names it",
        ("tests/replay/test_bypasses.py", "tests/replay/test_live.py::" + _LIVE),
    ),
    Attack(
        "code in a replay that forges its verdict; generated answers of its process",
        "the verdict is that of the operations, or none",
        ("tests/replay/test_forged_answers.py", "tests/replay/test_generated_transcripts.py"),
    ),
    Attack(
        "code in a replay that loops, crashes, exits, fills memory or disk, outlives its parent",
        "the process ends, the report has the reason",
        ("tests/replay/test_isolation.py",),
    ),
    Attack(
        "files that are not recordings: null, deep, huge numbers, pipes, links, devices, cut or "
        "changed bytes",
        "a row with a reason; the others of the folder are replayed",
        (
            "tests/replay/test_command.py::test_bad_files_of_a_folder_are_rows_with_their_reasons",
            "tests/journal/test_recording.py",
        ),
    ),
    Attack(
        "escape sequences, C1, bidirectional and invisible characters in arguments, data, errors",
        "no command writes one, in text, on a terminal, in JSON",
        ("tests/cli/test_hostile_text.py", "tests/test_text.py"),
    ),
    Attack(
        "the same on every screen of the dashboard; SIGTERM, SIGHUP, Ctrl+C",
        "the raw bytes are clean, the terminal is restored",
        ("tests/tui/test_terminal.py", "tests/tui/test_text.py"),
    ),
    Attack(
        "a Restate server that hangs, sends single bytes, cuts, refuses, limits, sends garbage",
        "reported while it lasts; copied again afterwards",
        ("tests/record/test_bad_servers.py",),
    ),
    Attack(
        "an impostor on the recorder's port; broken tokens; passwords in URLs; open folders",
        "nothing is learned, believed or printed",
        ("tests/record/test_secrets.py",),
    ),
    Attack(
        "silent and slow connections to the recorder",
        "they block no other sender",
        ("tests/record/test_connections.py",),
    ),
    Attack(
        "SQL that writes, reads files, or takes all memory, time or slots",
        "refused or ended; other clients are answered",
        ("tests/store/test_query.py", "tests/record/test_query_slots.py"),
    ),
    Attack(
        "answers of queries that are large, or that nobody reads",
        "they share a memory of their own, and are given up",
        ("tests/store/test_answers.py", "tests/record/test_large_answers.py"),
    ),
    Attack(
        "pipes, folders and links in place of the recorder's files; imports of packed bombs, "
        "zeros, endless lines",
        "nothing waits for them or writes through them; memory is bounded",
        ("tests/record/test_strange_files.py", "tests/imports/test_span_files.py"),
    ),
    Attack(
        "pipes, links, folders, damaged files and files of others in the archive, the request log "
        "and the text index",
        "rows are not left out silently: an error names the file, and the rest works",
        ("tests/store/test_archive_files.py", "tests/record/test_odd_files.py"),
    ),
    Attack(
        "targets of exports, backups and recordings that are links, pipes, devices or full disks",
        "an error names them; nothing is replaced, nothing is left behind",
        ("tests/export/test_odd_targets.py", "tests/store/test_durable_copy.py"),
    ),
    Attack(
        "generated and odd files in place of the settings, and of what the dashboard keeps",
        "read, or refused with the file and the reason; damaged ones are kept",
        ("tests/test_settings.py", "tests/test_kept_values.py"),
    ),
    Attack(
        "malformed OTLP and queries",
        "400 or INVALID_ARGUMENT; nothing is stored",
        (
            "tests/record/test_otlp_http.py",
            "tests/record/test_otlp_grpc.py",
            "tests/record/test_api.py",
        ),
    ),
    Attack(
        "generated requests and queries: real ones that are changed, and any JSON or bytes",
        "accepted or refused as malformed; the recorder stores on and stays below 1 GiB",
        ("tests/record/test_generated_requests.py",),
    ),
    Attack(
        "generated recordings, journals, step results, filters and texts",
        "read or refused with a reason; no error escapes",
        ("tests/journal/test_generated_recordings.py", "tests/test_generated_texts.py"),
    ),
)
GENERATED = {"GENERATED_EXAMPLES": "1000"}
"""Cases for each property of the generated input, instead of the few of `make test`."""


@dataclass(frozen=True)
class Count:
    """The outcome of one attack."""

    cases: int
    failed: int


def main(words: Sequence[str]) -> int:
    """Run the attacks and write the page; return 1 if one got through.

    Args:
        words: Run only the attacks whose names contain one of these, and keep the other rows.
    """
    kept = counts_of(PAGE.read_text()) if words else {}
    counts = [
        kept[attack.name]
        if attack.name in kept and not any(word in attack.name for word in words)
        else run(attack)
        for attack in ATTACKS
    ]
    PAGE.write_text(page(counts, datetime.now(UTC)))
    for attack, count in zip(ATTACKS, counts, strict=True):
        sys.stdout.write(f"{count.cases:5} cases, {count.failed} failed  {attack.name}\n")
    return 1 if any(count.failed for count in counts) else 0


def run(attack: Attack) -> Count:
    """Run the tests of one attack, and count their cases."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.xml"
        options = ["-q", "-n", "0", "-o", "junit_family=xunit1", "-o", "timeout=900"]
        subprocess.run(
            [sys.executable, "-m", "pytest", *options, f"--junitxml={result}", *attack.tests],
            cwd=ROOT,
            env={**os.environ, **GENERATED},
            check=False,
        )
        return count(ElementTree.parse(result).iter("testcase"))


def count(tests: Iterable[ElementTree.Element]) -> Count:
    """Count the cases of JUnit's `testcase` elements."""
    cases = failed = 0
    for test in tests:
        given = [p.get("value") for p in test.iter("property") if p.get("name") == "cases"]
        number = sum(int(value or 1) for value in given) or 1
        cases += number
        if test.find("failure") is not None or test.find("error") is not None:
            failed += number
    return Count(cases, failed)


def counts_of(text: str) -> dict[str, Count]:
    """Return the counts of a page by the name of the attack."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {
        row[0]: Count(int(row[2]), 0 if row[3] == "none" else int(row[3]))
        for row in rows
        if row[2].isdecimal()
    }


def page(counts: Sequence[Count], now: datetime) -> str:
    """Return the page."""
    rows = "\n".join(
        f"| {attack.name} | {attack.held} | {count.cases} | {count.failed or 'none'} |"
        for attack, count in zip(ATTACKS, counts, strict=True)
    )
    total = sum(count.cases for count in counts)
    return f"""<!-- Generated by `make attacks`; do not edit. -->

# Attacks

`make attacks` runs the attacks of the tests and writes this page. {total:,} cases ran on
{now:%-d %B %Y}. [Security](security.md) describes what Playhead protects, and what it does not.

| Attack | What holds | Cases | Got through |
| --- | --- | --- | --- |
{rows}
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
