"""The screens, composed of the widgets in `playhead_tui.widgets`."""
