#!/bin/sh
# Restate's server: the one on PATH or behind RESTATE_ADMIN_URL wins; else npm brings the pinned one.
set -eu
if [ -n "${RESTATE_ADMIN_URL:-}" ] || command -v restate-server >/dev/null 2>&1; then
  exit 0
fi
if ! command -v npm >/dev/null 2>&1; then
  echo "playhead: npm was not found, and neither was a restate-server." >&2
  echo "  Install Node.js with npm, put restate-server on PATH, or set RESTATE_ADMIN_URL, then run this again." >&2
  exit 3
fi
echo "Installing restate-server with npm ..."
npm ci --silent
