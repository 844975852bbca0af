"""Widgets, one per file with its CSS; they draw the data they receive and read nothing."""
