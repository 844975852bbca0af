"""Widgets of the replay screens only: the stops, the journal, the source and comparisons."""
