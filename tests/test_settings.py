"""Precedence of flags, variables and file, and errors for invalid values."""

from __future__ import annotations

from pathlib import Path

import pytest
from playhead.errors import SettingsError
from playhead.settings import Settings, load


def test_defaults(tmp_path: Path) -> None:
    found = load(environ={}, file=tmp_path / "none.toml")
    assert found.admin_url == "http://localhost:9070"
    assert (found.otlp_grpc_port, found.otlp_http_port, found.api_port) == (4317, 4318, 4319)
    assert found.store.is_absolute()


def test_flags_override_variables_and_variables_override_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('admin_url = "http://file:1"\ningress_url = "http://file:2"\napi_port = 5000\n')
    found = load(
        {"admin_url": "http://flag:1/", "store": None},
        environ={"RESTATE_ADMIN_URL": "http://env:1", "PLAYHEAD_API_PORT": "6000"},
        file=file,
    )
    assert found.admin_url == "http://flag:1"
    assert found.ingress_url == "http://file:2"
    assert found.api_port == 6000


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"PLAYHEAD_API_PORT": "x"}, "PLAYHEAD_API_PORT: api_port = 'x' is not a port"),
        ({"PLAYHEAD_API_PORT": "0"}, "is not a port"),
        ({"RESTATE_ADMIN_URL": "localhost:9070"}, "RESTATE_ADMIN_URL: admin_url = .* is not a URL"),
    ],
)
def test_bad_values_name_their_source(
    environ: dict[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=message):
        load(environ=environ, file=tmp_path / "none.toml")


@pytest.mark.parametrize("text", ["admin_url = ", "colour = 'red'", "\xff"])
def test_bad_files_are_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"config\.toml") as caught:
        load(environ={}, file=file)
    assert caught.value.hint


def test_a_token_does_not_show_in_the_representation() -> None:
    assert "s3cret" not in repr(Settings(auth_token="s3cret"))
