"""The parent's side of a replay's isolation: how the process is launched, fed and supervised.

`playhead.replay.child.confinement` is the process's own side.
"""
