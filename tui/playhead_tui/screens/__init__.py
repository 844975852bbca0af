"""Whole screens and dialogs; what they are made of lies in `playhead_tui.widgets`."""
