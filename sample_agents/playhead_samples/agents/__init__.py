"""The sample agents, one file each; a file's `SERVICES` are served by `playhead_samples.app`.

Not here: the model's answers (see `playhead_samples.llm`).
"""
