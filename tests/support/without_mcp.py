"""Imported before Restate's agents, which load the MCP clients, half of the start, for a name."""

from __future__ import annotations

import sys
from types import ModuleType

_empty = ModuleType("pydantic_ai.mcp")
vars(_empty)["MCPToolset"] = type("MCPToolset", (), {})
sys.modules.setdefault("pydantic_ai.mcp", _empty)
