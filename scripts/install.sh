#!/bin/sh
# Installs a lock file and the two distributions into .venv, and nothing outside it.
# usage: install.sh LOCKFILE STAMP
# uv installs when it is on PATH, because it is several times as fast; else pip fetches it into .venv,
# and where that fails, pip installs everything.
set -eu
lock=$1
stamp=$2
venv=.venv
python=${PYTHON:-python3}

fail() {
  echo "playhead: $1" >&2
  echo "  $2" >&2
  exit 3
}

command -v "$python" >/dev/null 2>&1 ||
  fail "$python was not found." "Install Python 3.11 or newer, or say where it is: make install PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$python" --version) is too old." "Playhead needs Python 3.11 or newer: make install PYTHON=python3.12"

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv" ||
  fail "$python cannot create a virtual environment." "On Debian and Ubuntu: apt install python3-venv"

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
  [ -x "$venv/bin/uv" ] ||
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
      --require-hashes --only-binary :all: -r requirements/uv.txt 2>/dev/null || true
  [ ! -x "$venv/bin/uv" ] || uv=$venv/bin/uv
fi

with_uv() {
  "$uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" \
    --require-hashes -r "$lock" &&
    "$uv" pip install --quiet --python "$venv/bin/python" \
      --no-deps --no-build-isolation -e tracing -e .
}

with_pip() {
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --require-hashes -r "$lock" &&
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
      --no-deps --no-build-isolation -e tracing -e .
}

echo "Installing Python packages into $venv ..."
if [ -z "$uv" ] || ! with_uv; then
  with_pip || fail "the Python packages could not be installed." \
    "See the lines above for the reason; check the network, then run the same command again."
fi
# Compile now, so that the first start does not wait, even where Python cannot write its cache.
"$venv/bin/python" -m compileall -q core tui tracing/playhead_tracing sample_agents || true
touch "$stamp"
