"""The replay engine: runs a handler against a journal, inside the child process.

`sdk.py` alone touches private parts of restate-sdk, asyncio and Pydantic AI.
"""
