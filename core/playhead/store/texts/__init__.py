"""The text index, and searches for a text in what was recorded."""
