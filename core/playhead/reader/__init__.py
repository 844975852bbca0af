"""One view over both sources, the live Restate server and the recorder.

What the screens and the commands show comes from here; how it is fetched lies in
`playhead.restate` and `playhead.record.client`.
"""
