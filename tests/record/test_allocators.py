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
# With glibc's own choice, a first large block that is freed moves the limit above the others.
first = bytearray(16 << 20)
del first
before = psutil.Process().memory_info().rss
blocks = [bytearray(b"x") * (1 << 20) for _ in range(100)]
last = bytearray(b"x") * 100
assert psutil.Process().memory_info().rss - before > 90 << 20
del blocks[:]
release_freed_memory()
assert psutil.Process().memory_info().rss - before < 10 << 20
"""


def test_freed_memory_returns_to_the_system() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
