"""The ingest of spans: requests are logged, acknowledged, and committed behind that."""
