"""The replay engine: runs a handler against a journal, inside the child process.

The parent uses its state machine (`strict`) and its data (`transcript`, `calls`) for the verdict.

`sdk.py` alone touches private parts of restate-sdk, asyncio and Pydantic AI.
"""
