"""What every command is called with, and what it must say, whichever sources are available."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from playhead.cli import cli
from situations import SIZES

__all__ = ["CALLS", "Call", "Said", "commands"]

SUPPORT = Path(__file__).parents[1] / "support"


@dataclass(frozen=True)
class Said:
    """The result of one call."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Call:
    """One way to call a command."""

    command: str
    """Name of the command, with that of a subcommand."""
    arguments: Callable[[Any, Path], list[str]]
    """From the situation and an empty folder."""
    check: Callable[[Any, Said], None]
    """Checks a result of `--json` with the exit code 0 or 1."""
    needs: str = "a source"
    """`a source`, `the store`, `the server` or `nothing`: what must be available."""
    json: bool = True
    by_id: bool = False
    """Whether it names an invocation: without rows, it is not found."""
    missing: bool = True
    """Whether its JSON has `missing`."""
    sizes: tuple[int, ...] = SIZES
    """Numbers of invocations with which it is called."""
    finding: bool = False
    """Whether the exit code 1 is possible."""


def listed(limit: int) -> Callable[[Any, Said], None]:
    def check(situation: Any, said: Said) -> None:
        document = said.document
        ids = [row["id"] for row in document["invocations"]]
        assert len(ids) == len(set(ids)) == min(limit, situation.rows)
        assert document["more"] == (situation.rows > limit)
        order = [
            (datetime.fromisoformat(row["created_at"]), row["id"])
            for row in document["invocations"]
        ]
        assert order == sorted(order, reverse=True)

    return check


def in_order(situation: Any, said: Said) -> None:
    document = said.document
    rows = document["invocations"]
    assert len(rows) == min(3, situation.rows)
    assert document["totals"]["invocations"] == situation.rows
    ended = [
        datetime.fromisoformat(row["completed_at"]) - datetime.fromisoformat(row["created_at"])
        for row in rows
        if row["completed_at"]
    ]
    assert ended == sorted(ended, reverse=True)


def divided(situation: Any, said: Said) -> None:
    document = said.document
    counts = [group["totals"]["invocations"] for group in document["groups"]]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == document["totals"]["invocations"] == situation.rows


def left_alone(situation: Any, said: Said) -> None:
    """Check a change that does not fit the state of the invocation."""
    [outcome] = said.document["outcomes"]
    assert outcome["state"] == "left alone"
    assert outcome["text"] in ("has ended", "has not ended")


def talked(situation: Any, said: Said) -> None:
    turns = said.document["turns"]
    assert [turn["index"] for turn in turns] == sorted(turn["index"] for turn in turns)
    assert len(turns) == 2


def executed(situation: Any, said: Said) -> None:
    """Each attempt that was recorded has its number, and its steps are in the journal's order."""
    attempts = said.document["attempts"]
    assert [one["attempt"]["number"] for one in attempts] == [*range(1, len(attempts) + 1)]
    for one in attempts:
        indexes = [execution["step"]["index"] for execution in one["executions"]]
        assert indexes == sorted(indexes)
        assert 0 not in indexes


def logged(situation: Any, said: Said) -> None:
    texts = [event["text"] for event in said.document["events"]]
    assert texts[0] == "created"
    assert texts.index("#0 input appended") < texts.index("succeeded")
    assert sum(text.startswith("#1 llm") for text in texts) == 1
    assert any(text.startswith("#2 result of #1 llm") for text in texts)


def none(situation: Any, said: Said) -> None:
    document = said.document
    assert document["invocations"] == []
    assert not document["more"]


def found(handler: str, failure: str = "") -> Callable[[Any, Said], None]:
    """Check that a search finds this one of the oldest invocations, and only such ones."""

    def check(situation: Any, said: Said) -> None:
        rows = said.document["invocations"]
        wanted = [situation.ids[handler]] if situation.rows else []
        assert [row["id"] for row in rows] == wanted
        assert all(failure in (row["last_failure"] or "") for row in rows)
        assert not said.document["more"]

    return check


def counted(limit: int) -> Callable[[Any, Said], None]:
    def check(situation: Any, said: Said) -> None:
        document = said.document
        total = min(limit, situation.rows)
        assert document["invocations"] == total
        assert sum(one["invocations"] for one in document["services"]) == total
        assert document["more"] == (situation.rows > limit)
        if 10 <= situation.rows <= limit:
            [ai] = [one for one in document["services"] if one["service"] == "ai"]
            assert ai["by_status"] == {"succeeded": 1}
            if situation.stored:
                assert ai["llm_calls"] == 2  # from the journal: these agents send no spans

    return check


def recorded(situation: Any, said: Said) -> None:
    """Check a condition that only the store can answer."""
    if situation.stored:
        found("ask")(situation, said)
    else:
        assert said.document["invocations"] == []
        assert "Without a recorder, calls cannot be checked." in said.document["missing"]


def grouped(situation: Any, said: Said) -> None:
    document = said.document
    assert sum(group["count"] for group in document["groups"]) == document["failures"]
    if situation.rows >= 10:
        [bad] = [group for group in document["groups"] if "terminally bad" in group["message"]]
        assert (bad["count"], bad["terminal"], bad["invocations"]) == (1, 1, 1)
        assert bad["example"] == situation.ids["fails"]


def kept(situation: Any, said: Said) -> None:
    document = said.document
    names = [f"{one['service']}/{one['key']}" for one in document["objects"]]
    # The store has the objects of the invocations that were copied whole: none.
    wanted = ["box/one", "box/one-later", "flow/one"] if situation.server and situation.rows else []
    assert names == wanted
    assert document["total"] == len(wanted)


def changed(situation: Any, said: Said) -> None:
    document = said.document
    wanted = [1, "two"] if situation.server and situation.rows else None
    assert document["state"].get("value") == wanted
    assert bool(document["changes"]) == bool(wanted)


def registered(situation: Any, said: Said) -> None:
    document = said.document
    every = [one for one in document["services"] if one["name"] == "every"]
    assert len(every) == (1 if situation.rows else 0)
    for one in every:
        assert one["open"] == situation.rows - 8
        assert one["outdated"] == (0 if situation.server else None)
        assert {"fails", "everything", "trivial"} <= {h["name"] for h in one["handlers"]}


def called(situation: Any, said: Said) -> None:
    models = [row for row in said.document["agents"] if row["kind"] == "model"]
    assert sum(row["calls"] for row in models) == (2 if situation.rows >= 10 else 0)


def single_calls(situation: Any, said: Said) -> None:
    calls = said.document["calls"]
    models = [call for call in calls if call["kind"] == "model"]
    assert len(models) == (2 if situation.rows >= 10 else 0)
    assert all(call["outcome"] == "succeeded" for call in models)
    tokens = [(call["input_tokens"] or 0) + (call["output_tokens"] or 0) for call in calls]
    assert tokens == sorted(tokens, reverse=True)


def shown(situation: Any, said: Said) -> None:
    document = said.document
    assert document["summary"]["id"] == situation.ids["ask"]
    assert document["summary"]["origin"] == ("live" if situation.server else "stored")
    assert [step["kind"] for step in document["steps"] if step["kind"] == "llm"] == ["llm"] * 2


def step_shown(situation: Any, said: Said) -> None:
    assert said.document["index"] == 0


def followed(situation: Any, said: Said) -> None:
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert len(lines) == min(10, situation.rows)
    assert all(line["event"] == "new" for line in lines)


def compared(situation: Any, said: Said) -> None:
    document = said.document
    assert (document["a"]["id"], document["b"]["id"]) == (
        situation.ids["trivial"], situation.ids["again"],
    )  # fmt: skip
    assert said.code == (1 if document["different"] else 0)
    assert document["steps"]


def queried(situation: Any, said: Said) -> None:
    assert said.document == [{"n": situation.rows}]


def saved(situation: Any, said: Said) -> None:
    document = said.document
    assert document["id"] == situation.ids["ask"]
    assert Path(document["file"]).is_file()
    assert document["entries"] > 3


def replayed(situation: Any, said: Said) -> None:
    assert said.document["verdict"] == "same"
    assert said.code == 0


def diagnosed(situation: Any, said: Said) -> None:
    checks = {check["name"]: check for check in said.document["checks"]}
    failed = {name for name, check in checks.items() if check["state"] == "failed"}
    assert said.code == (1 if failed else 0)
    assert ("recorder" in failed) == (not situation.recorder)
    assert ("restate" in failed) == (not situation.server)
    assert all(checks[name]["hint"] for name in failed)


def anything(situation: Any, said: Said) -> None:
    assert said.document


def nothing(situation: Any, said: Said) -> None:
    assert said.out


def fixed(*arguments: str) -> Callable[[Any, Path], list[str]]:
    return lambda situation, folder: list(arguments)


def into(*arguments: str) -> Callable[[Any, Path], list[str]]:
    """Name files in an empty folder as `{folder}/name`."""
    return lambda situation, folder: [word.format(folder=folder) for word in arguments]


def of(*handlers: str, then: tuple[str, ...] = ()) -> Callable[[Any, Path], list[str]]:
    """Name invocations by their handlers; without rows, by an id that is nowhere."""
    return lambda situation, folder: [
        *(situation.ids.get(name, "inv_1" + "0" * 33) for name in handlers),
        *(word.format(folder=folder) for word in then),
    ]


CALLS = (
    Call("ls", fixed(), listed(25)),
    Call("ls", fixed("--limit", "10000"), listed(10_000)),
    Call("ls", fixed("--text", "TERMINALLY fails"), found("fails", "terminally bad")),
    Call("ls", fixed("--text", "succ ai/"), found("ask")),
    Call("ls", fixed("--status", "suspended", "--text", "waits"), found("waits")),
    Call("ls", fixed("--text", "no such thing"), none),
    Call("ls", fixed("--filter", "service:ai calls:2"), recorded),
    Call("ls", fixed("--sort", "duration", "--limit", "3"), in_order, sizes=(10,)),
    Call("ls", fixed("--group-by", "service"), divided, sizes=(10,)),
    *(
        Call(verb, of("trivial", then=("--yes",)), left_alone, needs="the server", by_id=True,
             missing=False, sizes=(10,))
        for verb in ("cancel", "kill", "pause", "resume")
    ),
    *(
        Call(verb, of("waits", then=("--yes",)), left_alone, needs="the server", by_id=True,
             missing=False, sizes=(10,))
        for verb in ("restart", "purge")
    ),
    Call("failures", fixed(), grouped, needs="the store", missing=False),
    Call("agents", fixed(), called, needs="the store", missing=False),
    Call("calls", fixed("--sort", "tokens"), single_calls, needs="the store", missing=False),
    Call("state", fixed(), kept),
    Call("state", fixed("box/one", "--history"), changed),
    Call("services", fixed(), registered),
    Call("services", fixed("--deployments"), registered),
    Call("stats", fixed(), counted(1000)),
    Call("stats", fixed("--limit", "50000"), counted(50_000)),
    Call("show", of("ask"), shown, by_id=True),
    Call("show", of("ask", then=("--step", "0")), step_shown, by_id=True),
    Call("show", of("ask", then=("--children",)), shown, by_id=True, sizes=(10,)),
    Call("show", of("ask", then=("--view", "conversation")), talked, by_id=True, sizes=(10,)),
    Call("show", of("ask", then=("--view", "attempts")), executed, by_id=True, sizes=(10,)),
    Call("show", of("ask", then=("--view", "events")), logged, by_id=True, sizes=(10,)),
    Call("diff", of("trivial", "again"), compared, by_id=True, finding=True),
    Call("tail", fixed(), followed),
    Call("open", lambda situation, folder: [
        f"{situation.ids.get('ask', 'inv_1' + '0' * 33)}#0", "--json"], nothing, by_id=True,
        json=False),
    Call("sql", fixed("SELECT count(*) AS n FROM invocations"), queried, needs="the store",
         missing=False),
    Call("recording save", lambda situation, folder: [
        *of("ask")(situation, folder), str(folder / "one.journal.json")], saved, by_id=True),
    Call("replay", of("trivial", then=(
        "--app", "trivial_service:app", "--app-dir", str(SUPPORT))), replayed, by_id=True,
        missing=False),
    Call("doctor", fixed(), diagnosed, needs="nothing", missing=False, finding=True),
    Call("scenario list", fixed(), anything, needs="nothing", missing=False),
    Call("scenario run", fixed("--help"), nothing, needs="nothing", json=False),
    Call("demo", fixed("--help"), nothing, needs="nothing", json=False),
    Call("record", fixed("--help"), nothing, needs="nothing", json=False),
    Call("export html", of("ask", then=("{folder}/page.html",)), nothing, json=False, by_id=True),
    Call("export traces", into("--to", "parquet", "{folder}/spans"), anything, needs="the store",
         missing=False),
    Call("store verify", fixed(), anything, needs="the store", missing=False),
    Call("store backup", into("{folder}/copy.duckdb"), nothing, needs="the store", json=False),
    Call("store vacuum", fixed("--help"), nothing, needs="nothing", json=False),
    Call("archive", fixed("--help"), nothing, needs="nothing", json=False),
    Call("import", fixed("--help"), nothing, needs="nothing", json=False),
)  # fmt: skip
"""`demo` and `scenario run` start their own servers; tests/record/test_process.py has `record`."""


def commands() -> Iterator[str]:
    """Yield the names of all commands and subcommands that the command line has."""

    def walk(command: click.Command, name: str, above: click.Context | None) -> Iterator[str]:
        context = click.Context(command, parent=above, info_name=name or "playhead")
        if isinstance(command, click.Group):
            for child in command.list_commands(context):
                found = command.get_command(context, child)
                assert found is not None, child
                yield from walk(found, f"{name} {child}".strip(), context)
        else:
            yield name

    yield from walk(cli, "", None)
