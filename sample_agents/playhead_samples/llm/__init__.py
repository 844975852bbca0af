"""A local LLM server with OpenAI's API, scripted answers, and failures on demand.

It does not depend on Restate: its log is an independent count of the LLM requests.
"""
