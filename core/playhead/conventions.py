"""Names that more than one module uses: span attributes, span names, step names."""
