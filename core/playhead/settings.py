"""Settings: command line flags, then `PLAYHEAD_*` and `RESTATE_*` variables, then a TOML file."""

from __future__ import annotations

import contextlib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import platformdirs

from playhead.errors import SettingsError
from playhead.regular_file import read_regular
from playhead.text import without_password

__all__ = ["Settings", "load", "require_header_token"]


LARGEST_FILE = 32 << 10
"""Bytes of a settings file: tomllib takes seconds for a file of this size that is made for it."""
_LONGEST_SHOWN = 100
VARIABLES = {
    "RESTATE_ADMIN_URL": "admin_url",
    "RESTATE_INGRESS_URL": "ingress_url",
    "RESTATE_AUTH_TOKEN": "auth_token",
    "PLAYHEAD_STORE": "store",
    "PLAYHEAD_OTLP_GRPC_PORT": "otlp_grpc_port",
    "PLAYHEAD_OTLP_HTTP_PORT": "otlp_http_port",
    "PLAYHEAD_API_PORT": "api_port",
    "PLAYHEAD_OTLP_TOKEN": "otlp_token",
    "PLAYHEAD_KEEP": "keep",
    "PLAYHEAD_APP": "app",
    "PLAYHEAD_APP_DIR": "app_dir",
    "PLAYHEAD_REPLAY_ENV": "replay_env",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses and folders. Playhead's own servers listen on 127.0.0.1."""

    admin_url: str = "http://localhost:9070"
    """Base URL of Restate's admin API."""
    ingress_url: str = "http://localhost:8080"
    """Base URL of Restate's ingress."""
    auth_token: str | None = field(default=None, repr=False)
    """Bearer token of both, which Restate Cloud requires."""
    store: Path = Path()
    """Folder of the store; the database in it is `playhead.duckdb`."""
    otlp_grpc_port: int = 4317
    """Port of the recorder's OTLP receiver, gRPC."""
    otlp_http_port: int = 4318
    """Port of the recorder's OTLP receiver, HTTP."""
    api_port: int = 4319
    """Port of the recorder's query API."""
    otlp_token: str | None = field(default=None, repr=False)
    """Bearer token that the recorder asks OTLP senders for; without one, it takes spans from every
    program of this machine."""
    keep: tuple[str, ...] = ()
    """Limits of the recorder's tables, such as `spans=30d, journal=10GB`: what exceeds them is
    deleted, the oldest first."""
    app: str | None = None
    """The Restate app to replay with, as `module:attribute`."""
    app_dir: str | None = None
    """Folder to import the app from; the current folder by default."""
    replay_env: tuple[str, ...] = ()
    """Environment variables that a replay passes to the app: names, separated by commas."""

    @property
    def api_url(self) -> str:
        """Base URL of the recorder's query API."""
        return f"http://127.0.0.1:{self.api_port}"


def config_file() -> Path:
    """Return the path of the settings file, which need not exist."""
    return Path(platformdirs.user_config_dir("playhead")) / "config.toml"


def load(
    overrides: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Return the settings from all sources.

    Args:
        overrides: Values of command line flags by field name; None for flags not given.
        environ: Environment; `os.environ` by default.
        file: The TOML file; `config_file()` by default.

    Raises:
        SettingsError: The file is not valid TOML, or a setting is unknown or has an unusable
            value. The title names the setting and its source.
    """
    environ = os.environ if environ is None else environ
    path = config_file() if file is None else file
    sources: dict[str, tuple[Any, str]] = {
        "store": (platformdirs.user_data_dir("playhead"), "the default")
    }
    sources |= {name: (value, str(path)) for name, value in _read(path).items()}
    sources |= {name: (environ[var], var) for var, name in VARIABLES.items() if environ.get(var)}
    sources |= {k: (v, "the command line") for k, v in (overrides or {}).items() if v is not None}
    names = [f.name for f in fields(Settings)]
    for name, (_, source) in sources.items():
        if name not in names:
            raise SettingsError(
                f"{source}: unknown setting {name!r}", f"The settings are {', '.join(names)}."
            )
    return replace(Settings(), **{n: _convert(n, v, src) for n, (v, src) in sources.items()})


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_regular(path, most=LARGEST_FILE).decode("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except RecursionError:
        reason = "its values are nested too deeply"
    except (OSError, ValueError) as error:  # tomllib also raises the ValueError of a long number
        reason = str(error)
    raise SettingsError(
        f"{path} cannot be read: {reason}", "Correct the file, which must be TOML, or delete it."
    )


def _convert(name: str, value: Any, source: str) -> Any:
    if name.endswith("_port"):
        return _port(name, value, source)
    if name in ("replay_env", "keep"):
        return tuple(_texts(name, value, source))
    text = _text(name, value, source)
    if name == "store":
        return _folder(name, text, source)
    if name in ("auth_token", "otlp_token"):
        require_header_token(text, source)
    if name.endswith("_url"):
        return _url(name, text, source)
    return text


def _text(name: str, value: Any, source: str) -> str:
    """Return a text; numbers, lists and tables of a TOML file are none."""
    if isinstance(value, Path):
        return str(value)
    if not isinstance(value, str):
        # The value may be a secret.
        raise SettingsError(f"{source}: {name} is not a text", f'Write it as {name} = "…".')
    return value


def _texts(name: str, value: Any, source: str) -> list[str]:
    """Return texts: a list of a TOML file, or one text with commas."""
    given = cast("list[Any]", value) if isinstance(value, list | tuple) else [value]
    return [part for one in given for part in _text(name, one, source).replace(",", " ").split()]


def _port(name: str, value: Any, source: str) -> int:
    try:
        port = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else -1
    except ValueError:
        port = -1
    if not 0 < port < 65536:
        raise SettingsError(
            f"{source}: {name} = {_shown(value)} is not a port", "Use a number from 1 to 65535."
        )
    return port


def _folder(name: str, text: str, source: str) -> Path:
    hint = "Write the path of a folder, which need not exist."
    if not text.strip():
        raise SettingsError(f"{source}: {name} is empty", hint)
    try:
        path = Path(text).expanduser()
        with contextlib.suppress(FileNotFoundError, PermissionError):
            path.stat()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a null, ~ of an unknown user
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(
            f"{source}: {name} = {_shown(text)} is not the path of a folder: {reason}", hint
        ) from error
    return path


def _shown(value: object) -> str:
    """Return a value for a message, which may be long."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _url(name: str, value: str, source: str) -> str:
    try:
        parts = urlsplit(value)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not a number, brackets without an address
        is_url = False
    if not is_url or not value.isprintable() or " " in value:
        raise SettingsError(
            f"{source}: {name} = {without_password(value)!r} is not a URL",
            "Write it as http://HOST:PORT or https://HOST.",
        )
    return value.rstrip("/")


def require_header_token(token: str, source: str) -> None:
    """Raise SettingsError for a token that a header cannot have; the error does not contain it.

    Args:
        token: A bearer token.
        source: Where it comes from.
    """
    if not re.fullmatch(r"[!-~]+", token):
        raise SettingsError(
            f"{source}: the token has spaces, line ends or characters that are not ASCII",
            "Check how it was copied: a file may end with a line end.",
        )
