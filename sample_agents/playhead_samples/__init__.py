"""Sample agents on Restate, a local model server, and failures on demand.

Only the public surface of `playhead` is used from here.
"""
