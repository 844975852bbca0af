#!/bin/sh
# Obtains the programs that the tests send spans to, outside the checkout: a Collector, Jaeger, Phoenix, Spark.
# usage: targets.sh [collector] [jaeger] [phoenix] [spark] [viewer]     without names: all but viewer
# Prints the path of each program. PLAYHEAD_TARGETS is the folder; versions are pinned here.
set -eu
cd "$(dirname "$0")/.."
folder=${PLAYHEAD_TARGETS:-${XDG_CACHE_HOME:-$HOME/.cache}/playhead-targets}
builder=go.opentelemetry.io/collector/cmd/builder@v0.156.0
jaeger=github.com/jaegertracing/jaeger/cmd/jaeger@v1.65.0
viewer=github.com/CtrlSpice/otel-desktop-viewer@v0.4.1
manifest=tests/collector/builder.yaml
phoenix=requirements/targets.txt
spark=requirements/spark.txt
PATH=$PATH:/usr/local/go/bin
# `make install` puts uv into .venv where it is not on PATH.
uv=$(command -v uv || command -v "$PWD/.venv/bin/uv" || true)

fail() {
  echo "targets: $1" >&2
  exit 3
}

need_go() {
  command -v go >/dev/null 2>&1 || fail "$1 is built from source, which needs Go: https://go.dev/dl"
}

# build PROGRAM COMMAND...: run a command in an empty folder, and keep the program that it leaves there.
build() {
  program=$1
  shift
  [ ! -x "$program" ] || return 0
  echo "Building $program ..." >&2
  work=$(mktemp -d "$folder/build.XXXXXX")
  if (cd "$work" && "$@") >"$work/log" 2>&1; then
    mv "$work/program" "$program"
    rm -rf "$work"
  else
    tail -n 30 "$work/log" >&2
    rm -rf "$work"
    fail "$program could not be built"
  fi
}

build_collector() {
  cp "$manifest_path" builder.yaml
  CGO_ENABLED=0 go run "$builder" --config builder.yaml
  mv build/otelcol-playhead program
}

build_jaeger() {
  export CGO_ENABLED=0
  go mod init targets
  go get -tool "$jaeger"
  go build -o program "${jaeger%@*}"
}

build_viewer() {
  export CGO_ENABLED=1 # for DuckDB
  go mod init targets
  go get "$viewer"
  go build -o program "${viewer%@*}"
}

# install_python NAME REQUIREMENTS: install pinned packages into a virtual environment of their own.
install_python() {
  required=$PWD/$2
  # A virtual environment cannot be moved: it is complete when the stamp exists.
  venv=$folder/$1-$(cksum "$2" | cut -d ' ' -f 1)
  [ ! -e "$venv/complete" ] || return 0
  echo "Installing $venv ..." >&2
  rm -rf "$venv"
  mkdir "$venv"
  (cd "$venv" && install_packages) >"$venv.log" 2>&1 || {
    tail -n 30 "$venv.log" >&2
    fail "$1 could not be installed"
  }
  touch "$venv/complete"
}

install_packages() {
  python=$(command -v "${PYTHON:-python3}")
  "$python" -m venv venv
  if [ -n "$uv" ]; then
    "$uv" pip install --python venv/bin/python --require-hashes -r "$required"
  else
    # The lock file is complete; pip takes a package with extras for another one than it pins.
    venv/bin/python -m pip install --no-deps --require-hashes -r "$required"
  fi
}

collector() {
  manifest_path=$PWD/$manifest
  program=$folder/otelcol-$(cksum "$manifest" | cut -d ' ' -f 1)
  [ -x "$program" ] || need_go "The Collector"
  build "$program" build_collector
  echo "$program"
}

jaeger() {
  program=$folder/jaeger-${jaeger##*@}
  [ -x "$program" ] || need_go "Jaeger"
  build "$program" build_jaeger
  echo "$program"
}

# Of the benchmark of peers alone.
viewer() {
  program=$folder/otel-desktop-viewer-${viewer##*@}
  [ -x "$program" ] || need_go "otel-desktop-viewer"
  build "$program" build_viewer
  echo "$program"
}

phoenix() {
  install_python phoenix "$phoenix"
  echo "$venv/venv/bin/phoenix"
}

spark() {
  command -v java >/dev/null 2>&1 || fail "Spark runs on Java 17 or later: https://adoptium.net"
  install_python spark "$spark"
  echo "$venv/venv/bin/python"
}

mkdir -p "$folder"
for name in ${*:-collector jaeger phoenix spark}; do
  case $name in
    collector | jaeger | phoenix | spark | viewer) "$name" ;;
    *) fail "unknown target $name" ;;
  esac
done
