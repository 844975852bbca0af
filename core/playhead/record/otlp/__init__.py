"""OTLP trace requests: their check, and their spans as rows of the store."""
