"""Runs the `playhead` command: `python -m playhead`."""

from playhead.cli import main

main()
