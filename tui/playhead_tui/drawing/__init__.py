"""How text, colors and marks become terminal cells; knows no screen and no source."""
