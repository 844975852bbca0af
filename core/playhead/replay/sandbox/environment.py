"""The environment variables that a replay passes to the user's code."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

__all__ = ["environment", "withheld"]

_PASSED = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TZDIR", "TERM",
        "COLORTERM", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "VIRTUAL_ENV", "CONDA_PREFIX",
        "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HF_HOME",
        "NLTK_DATA", "TIKTOKEN_CACHE_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
    }
)  # fmt: skip
"""Variables that describe the machine and the Python environment, and hold no secrets."""
_PASSED_PREFIXES = ("LC_", "PYTHON")
_PLACEHOLDERS = (
    "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY", "MISTRAL_API_KEY",
    "GROQ_API_KEY", "CO_API_KEY", "DEEPSEEK_API_KEY", "OPENROUTER_API_KEY",
)  # fmt: skip
"""Variables for placeholder keys: model clients require a key, which a replay never uses."""
_QUIET = {
    "OTEL_SDK_DISABLED": "true",
    "OTEL_TRACES_SAMPLER": "always_off",
    "LOGFIRE_SEND_TO_LOGFIRE": "false",
    "LOGFIRE_CONSOLE": "false",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONSAFEPATH": "1",
}
_NEVER = "RESTATE_"


def environment(
    scratch: str,
    *,
    names: Collection[str] = (),
    live: bool = False,
    environ: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the process's variables: no Restate server, no tracing, no secrets.

    Args:
        scratch: Folder for temporary files.
        names: Further variables to pass on.
        live: Steps are executed for real: pass on everything but the Restate server, with the API
            keys.
        environ: The variables to choose from; by default, those of this process.
    """
    environ = os.environ if environ is None else environ
    inherited = {
        name: value
        for name, value in environ.items()
        if not name.startswith(_NEVER) and (live or name in names or _is_passed(name))
    }
    placeholders = {} if live else dict.fromkeys(_PLACEHOLDERS, "replay")
    return {**placeholders, **inherited, **_QUIET, "TMPDIR": scratch}


def withheld(text: str, names: Collection[str], environ: Mapping[str, str]) -> list[str]:
    """Return the variables that a text names and that a replay does not pass on, sorted.

    Args:
        text: Message of an exception.
        names: Variables that are passed on in addition.
        environ: The variables of this process.
    """
    words = set("".join(c if c.isalnum() or c == "_" else " " for c in text).split())
    return sorted(
        name for name in words & set(environ) if name not in names and not _is_passed(name)
    )


def _is_passed(name: str) -> bool:
    return name in _PASSED or name.startswith(_PASSED_PREFIXES)
