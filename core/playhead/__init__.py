"""The core of Playhead: recording, decoding, replay and the command line; no screen code."""
