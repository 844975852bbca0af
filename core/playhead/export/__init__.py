"""Export of the store: spans to OTLP targets and files, and one invocation as a page.

The store is only read: what a target needs besides is added to copies of the spans.
"""
