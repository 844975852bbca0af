"""Settings: command line flags, then `PLAYHEAD_*` and `RESTATE_*` variables, then a TOML file."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs

from playhead.errors import SettingsError
from playhead.regular_file import read_regular
from playhead.text import without_password

__all__ = ["Settings", "load", "require_header_token"]


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
        return tomllib.loads(read_regular(path).decode())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read: {error}", "Correct the file, which must be TOML, or delete it."
        ) from error


def _convert(name: str, value: Any, source: str) -> Any:
    if name.endswith("_port"):
        try:
            port = int(value)
        except (TypeError, ValueError):
            port = -1
        if not 0 < port < 65536:
            raise SettingsError(
                f"{source}: {name} = {value!r} is not a port", "Use a number from 1 to 65535."
            )
        return port
    if name == "store":
        return Path(str(value)).expanduser()
    if name in ("replay_env", "keep"):
        return tuple(part for part in str(value).replace(",", " ").split())
    if name in ("auth_token", "otlp_token"):
        require_header_token(str(value), source)
    if name.endswith("_url"):
        return _url(name, str(value), source)
    return str(value)


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
