"""Checks of the server, the recorder and the spans, each with a hint on what to do next.

`playhead.cli.doctor` runs and shows the checks.
"""
