"""The recorder's process returns the memory that it frees."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import psutil
from playhead.record.allocators import release_freed_memory, return_freed_memory
from playhead.store.arrow import pa

return_freed_memory()
assert pa.default_memory_pool().backend_name == "system"
# With glibc's own choice, a first large block that is freed moves the limits above the others.
first = bytearray(16 << 20)
del first
before = psutil.Process().memory_info().rss

def grown():
    return (psutil.Process().memory_info().rss - before) / (1 << 20)

def megabytes(number):
    return [bytearray(b"x") * (1 << 20) for _ in range(number)]

# What is freed below a block in use is there for the next commit, until it is released.
freed, last = megabytes(100), megabytes(1)
del freed
assert grown() > 90
release_freed_memory()
assert grown() < 10
# What is freed at the end of the heap returns by itself.
used, last = megabytes(100), last + megabytes(20)
assert grown() > 115
del last[1:]
assert grown() < 112
"""


def test_freed_memory_returns_to_the_system() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
