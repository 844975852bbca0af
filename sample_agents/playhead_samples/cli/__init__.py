"""The commands `playhead demo` and `playhead scenario`, found by entry point."""
