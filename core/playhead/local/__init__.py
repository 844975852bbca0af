"""Processes that Playhead starts on this machine: restate-server, recorders, agent services.

Their clients are in `playhead.restate` and `playhead.record`.
"""

from playhead.local.ports import free_port, port_is_free
from playhead.local.process import ManagedProcess
from playhead.local.server import RestateServer, find_server

__all__ = [
    "ManagedProcess",
    "RestateServer",
    "find_server",
    "free_port",
    "port_is_free",
]
