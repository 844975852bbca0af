"""`python -m playhead` is the `playhead` command."""

from playhead.cli import main

main()
