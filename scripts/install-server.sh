#!/bin/sh
# Install the pinned restate-server with npm, unless one is on PATH or RESTATE_ADMIN_URL names one.
set -eu
if [ -n "${RESTATE_ADMIN_URL:-}" ] || command -v restate-server >/dev/null 2>&1; then
  exit 0
fi
if ! command -v npm >/dev/null 2>&1; then
  echo "playhead: neither npm nor a restate-server was found." >&2
  echo "  Install Node.js with npm, put restate-server on PATH, or set RESTATE_ADMIN_URL, then run the same command again." >&2
  exit 3
fi
echo "Installing restate-server with npm ..."
npm ci --silent
