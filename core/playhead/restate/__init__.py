"""Restate's admin API: queries, control, and journals as steps.

Not here: what was recorded (`playhead.record`), and the view over both (`playhead.reader`).
"""
