"""Test that the documentation names only existing commands, settings, files, links and imports."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import duckdb
import pytest
from playhead import cli, settings
from playhead.store import schema

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md"), ROOT / "tracing" / "README.md"],
    key=str,
)
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
SOURCES = (
    *("core", "tui", "tracing", "sample_agents", "scripts"),
    *("otel-collector.yaml", "otel-collector", "Makefile"),
)
FOREIGN_OPTIONS = {
    *("--bind", "--cached", "--config", "--data", "--from", "--json", "--now", "--snapshot-update"),
    *("--global", "--port", "--store", "--tracing-endpoint", "--user", "--check", "--write"),
}
"""Options of other programs in the pages."""
BLOCK = re.compile(r"^( *)```(\w+)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
SETTINGS = set(settings.VARIABLES.values())
every_page = pytest.mark.parametrize("page", PAGES, ids=IDS)
HISTORY = ROOT / "CHANGELOG.md"
"""The changelog also names options that were removed."""


def blocks(page: Path, *languages: str) -> Iterator[str]:
    """Yield the code blocks in one of the languages, without their indentation."""
    for indent, language, body in BLOCK.findall(page.read_text()):
        if language in languages:
            yield re.sub(f"^{indent}", "", body, flags=re.MULTILINE)


def commands(page: Path) -> Iterator[list[str]]:
    """Yield each command of the shell blocks as words, without leading variable assignments."""
    for body in [*blocks(page, "sh"), *_typed(page)]:
        for line in body.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&<>")
            lexer.whitespace_split = True
            words: list[str] = []
            for word in [*lexer, ";"]:
                if set(word) <= set(";|&<>"):
                    while words and re.match(r"[A-Z_]+=", words[0]):
                        words.pop(0)
                    if words:
                        yield words
                    words = []
                else:
                    words.append(word)


def _typed(page: Path) -> Iterator[str]:
    for body in blocks(page, "console"):
        for line in body.splitlines():
            if line.startswith("$ "):
                yield line[2:]


def parse(command: click.Command, args: list[str], parent: click.Context | None = None) -> None:
    """Parse the arguments as click does before it runs a command."""
    if "--help" in args:
        return
    context = command.make_context(command.name or "playhead", list(args), parent=parent)
    rest = [*context._protected_args, *context.args]
    if isinstance(command, click.Group) and rest:
        _, child, rest = command.resolve_command(context, rest)
        assert child is not None
        parse(child, rest, context)


def options(command: click.Command) -> Iterator[str]:
    """Yield every option of the command and its subcommands."""
    context = click.Context(command)
    for parameter in command.get_params(context):
        yield from (*parameter.opts, *parameter.secondary_opts)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from options(child)


def slugs(page: Path) -> set[str]:
    """Return the anchors of the page's headings, as MkDocs and GitHub generate them."""
    found: set[str] = set()
    for title in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE):
        plain = re.sub(r"[^\w\s-]", "", title.lower()).strip()
        found |= {re.sub(r"[\s-]+", "-", plain), plain.replace(" ", "-")}
    return found


@every_page
def test_command_lines_parse(page: Path, pytestconfig: pytest.Config) -> None:
    for words in commands(page):
        program = Path(words[0]).name
        if program in {"uvx", "pipx"} and "playhead" in words:
            program, words = "playhead", words[words.index("playhead") :]
        if program == "playhead":
            try:
                parse(cli.cli, words[1:])
            except click.UsageError as error:
                pytest.fail(f"{shlex.join(words)}: {error.format_message()}")
        if program == "pytest":
            for word in words[1:]:
                if word.startswith("--playhead-"):
                    name = word.partition("=")[0][2:].replace("-", "_")
                    assert hasattr(pytestconfig.option, name), word


@every_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    inline = [shlex.split(text) for text in INLINE.findall(page.read_text()) if "make " in text]
    for words in [*commands(page), *inline]:
        if words[0] == "make":
            named = {word for word in words[1:] if "=" not in word and not word.startswith("-")}
            assert named <= targets, words


@every_page
def test_options_in_the_text_exist(page: Path, pytestconfig: pytest.Config) -> None:
    known = {*options(cli.cli), *FOREIGN_OPTIONS, "--help"}
    known |= {"--seconds"} if page == HISTORY else set()
    for text in INLINE.findall(page.read_text()):
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text):
            plugin = option.startswith("--playhead-") and hasattr(
                pytestconfig.option, option[2:].replace("-", "_")
            )
            assert option in known or plugin, f"{option} in `{text}`"


@pytest.fixture(scope="module")
def sources() -> str:
    """Source text of the files that may read environment variables."""
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *SOURCES],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    texts = (ROOT / name for name in files if name.endswith((".py", ".yaml", ".sh", "Makefile")))
    return "\n".join(path.read_text() for path in texts if path.exists())


@every_page
def test_variables_are_read_somewhere(page: Path, sources: str) -> None:
    for name in set(re.findall(r"\b(?:PLAYHEAD|RESTATE)_[A-Z][A-Z_]*[A-Z]\b", page.read_text())):
        assert re.search(rf"\b{name}\b", sources) or name.partition("_")[2].lower() in SETTINGS, (
            name
        )


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(re.sub(BLOCK, "", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if anchor and path.name != "python-api.md":
            assert anchor in slugs(path), target


@every_page
def test_files_in_the_text_exist(page: Path) -> None:
    folders = "core|tui|tracing|sample_agents|tests|benchmarks|scripts|docs|requirements"
    for text in INLINE.findall(page.read_text()):
        if re.fullmatch(rf"(?:{folders})/[\w./-]+", text) and "NAME" not in text:
            if text.startswith(("tests/journals", "tests/cli")):  # files of the reader's project
                continue
            assert (ROOT / text).exists(), text


@every_page
def test_queries_run(page: Path) -> None:
    queries = list(blocks(page, "sql"))
    for words in commands(page):
        # Queries of the server's tables are in another dialect.
        if words[0] == "playhead" and "sql" in words and "--server" not in words:
            queries.append(words[-1])
    with duckdb.connect() as connection:
        connection.execute(schema.create_statements())
        for query in queries:
            connection.execute(query).fetchall()


@every_page
def test_python_blocks_import_what_exists(page: Path) -> None:
    for body in blocks(page, "python"):
        tree = compile(body, page.name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("playhead"):
                module: Any = importlib.import_module(node.module or "")
                for name in node.names:
                    assert hasattr(module, name.name), f"{node.module}.{name.name}"
            match node:
                case ast.Attribute(value=ast.Name(id="playhead"), attr=name):
                    assert hasattr(importlib.import_module("playhead"), name), name
                case _:
                    pass


def test_every_glossary_term_is_used() -> None:
    glossary = ROOT / "docs" / "glossary.md"
    terms = re.findall(r"^### (.+)$", glossary.read_text(), re.MULTILINE)
    others = " ".join(p.read_text() for p in PAGES if p != glossary).lower()
    unused = [t for t in terms if not re.search(rf"\b{re.escape(t.lower())}s?\b", others)]
    assert not unused
