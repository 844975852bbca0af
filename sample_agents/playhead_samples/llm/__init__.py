"""A local server that speaks OpenAI's API, answers from a script, and fails on demand.

It knows nothing of Restate: its log is a second opinion on what was asked of the model.
"""
