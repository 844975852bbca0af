"""One invocation in detail: attempts, steps, LLM calls, messages, times, calls."""
