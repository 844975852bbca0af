"""The sample agents, one file each; `playhead_samples.app` serves the `SERVICES` of every file.

Not here: the model's answers (see `playhead_samples.llm`).
"""
