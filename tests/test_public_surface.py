"""Public names of `playhead`, and the modules that it imports."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec

import playhead
import pytest


def test_exported_names() -> None:
    assert playhead.__all__ == [
        "AsyncClient",
        "Client",
        "PlayheadError",
        "Recording",
        "__version__",
        "replay",
        "what_if",
    ]
    assert playhead.__version__ == version("playhead")
    assert callable(playhead.replay.replay)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        playhead.nonsense  # pyright: ignore  # noqa: B018


def test_the_import_loads_no_dependency() -> None:
    code = (
        "import sys; before = set(sys.modules); import playhead;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(new - sys.stdlib_module_names), 'asyncio' in new)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert output.stdout == "['playhead'] False\n"


def test_reading_loads_no_screens() -> None:
    code = (
        "import sys, playhead; playhead.Client, playhead.Recording;"
        "print([m for m in ('textual', 'rich', 'click', 'grpc', 'restate') if m in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert output.stdout == "[]\n"


def test_reading_loads_no_database_and_no_plugins() -> None:
    assert find_spec("logfire"), "the plugin that is not to be loaded"
    code = (
        "import sys; from datetime import UTC, datetime; import playhead.reader.reader;"
        "from playhead.prices import price_list;"
        "assert price_list([('openai', 'gpt-4o', datetime.now(UTC).date())]);"
        "print([m for m in ('duckdb', 'pyarrow', 'logfire') if m in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert output.stdout == "[]\n", output.stderr


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        public = {name: f for name, f in found if not name.startswith("_") or name == "__init__"}
        return {name: list(inspect.signature(f).parameters) for name, f in public.items()}

    assert methods(playhead.Client) == methods(playhead.AsyncClient)


@pytest.mark.parametrize(
    "name", [name for name in playhead.__all__ if name not in ("__version__", "replay")]
)
def test_every_name_is_documented(name: str) -> None:
    exported = getattr(playhead, name)
    assert inspect.getdoc(exported)
    if inspect.isclass(exported) and name.endswith("Client"):
        for method, function in inspect.getmembers(exported, inspect.isfunction):
            assert method.startswith("_") or inspect.getdoc(function), method
