"""Text, colors and glyphs as terminal cells; independent of screens and sources."""
