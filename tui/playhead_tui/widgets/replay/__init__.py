"""Widgets of the replay screens: stops, journal, source, comparison."""
