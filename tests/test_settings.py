"""Precedence of flags, variables and file, and errors for invalid values."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from generated import for_each, texts
from hypothesis import strategies as st
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("app = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("app = " + "{a=" * 3000 + "1" + "}" * 3000, "nested too deeply"),
        ("api_port = " + "9" * 6000, "digits"),
        (".".join(["a"] * 100_000) + " = 1", "more than 32 KiB"),
        ("store = ['a']", "store is not a text"),
        ("store = 5", "store is not a text"),
        ("[store]\na = 1", "store is not a text"),
        ("store = ''", "store is empty"),
        ("store = '~no-such-user/x'", "is not the path of a folder"),
        ('store = "a\\u0000b"', "is not the path of a folder"),
        (f"store = '{'x' * 5000}'", "is not the path of a folder: File name too long"),
        ("app = ['a']", "app is not a text"),
        ("admin_url = 5", "admin_url is not a text"),
        ("auth_token = 123456", "auth_token is not a text"),
        ("api_port = true", "api_port = True is not a port"),
        ("api_port = 4319.9", "api_port = 4319.9 is not a port"),
        ("keep = [1]", "keep is not a text"),
    ],
)
def test_values_of_another_kind_are_refused(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=message) as caught:
        load(environ={}, file=file)
    assert caught.value.title.startswith(str(file))
    assert caught.value.hint
    assert len(caught.value.title) < 500
    assert "123456" not in caught.value.title


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        Path.mkdir,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(path.name),
        lambda path: (path.touch(), os.truncate(path, 20 << 30)),
    ],
)
def test_what_cannot_be_the_file_is_named(tmp_path: Path, make: Callable[[Path], object]) -> None:
    file = tmp_path / "config.toml"
    make(file)
    with pytest.raises(SettingsError, match=str(file)):
        load(environ={}, file=file)
    assert os.path.lexists(file)


def test_lists_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(b"\xef\xbb\xbfreplay_env = ['A', 'B']\nkeep = 'spans=30d, journal=8w'\n")
    found = load(environ={}, file=file)
    assert (found.replay_env, found.keep) == (("A", "B"), ("spans=30d", "journal=8w"))


SCALARS = [
    "1", "true", "1.5", "''", '"a"', "2026-01-01", "[]", "['a', 1]", "{}", "{a = 1}",
    '"\\u001b[2J"', '"\\u0000"', "'http://x:1'", "nan",
]  # fmt: skip


def test_generated_files_are_read_or_refused_with_a_reason(
    tmp_path: Path, record_property: Any
) -> None:
    file = tmp_path / "config.toml"
    names = st.sampled_from([one.name for one in fields(Settings)]) | texts
    scalars = st.sampled_from(SCALARS)
    line = st.tuples(names, st.sampled_from([" = ", "=", " ", ".a = "]), scalars | texts)

    @for_each(
        record_property,
        content=st.binary(max_size=60)
        | st.lists(line.map("".join), max_size=4).map("\n".join).map(_encoded),
    )
    def check(content: bytes) -> None:
        file.write_bytes(content)
        found = _loaded(file)
        if isinstance(found, SettingsError):
            assert found.title.startswith(str(file))
            assert found.hint
        else:
            assert isinstance(found.store, Path)
            assert all(isinstance(one, str) for one in (*found.keep, *found.replay_env))


def _loaded(file: Path) -> Settings | SettingsError:
    try:
        return load(environ={}, file=file)
    except SettingsError as error:
        return error


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
