"""Generate the classes of Restate's service protocol; with --check, fail if they are stale.

Generation needs grpcio-tools, which `make proto` provides. The check needs no compiler, because the
generated file contains a digest of its source and of itself.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

CORE = Path(__file__).parents[1] / "core"
SOURCE = CORE / "playhead/restate/protocol/service_protocol.proto"
MODULE = SOURCE.with_name("service_protocol_pb2.py")
STUB = MODULE.with_suffix(".pyi")
MARK = "# digest: "


def digest(module: str) -> str:
    """Return the digest of the source and the generated files."""
    data = SOURCE.read_text() + module + STUB.read_text()
    return hashlib.sha256(data.encode()).hexdigest()


def is_current() -> bool:
    """Return whether the generated files match the source and are unchanged."""
    try:
        module, mark, found = MODULE.read_text().rpartition(MARK)
        return bool(mark) and found.strip() == digest(module)
    except FileNotFoundError:
        return False


def generate() -> None:
    """Run the compiler and append the digest."""
    options = [f"-I{CORE}", f"--python_out={CORE}", f"--pyi_out={CORE}"]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", *options, str(SOURCE.relative_to(CORE))],
        cwd=CORE,
        check=True,
    )
    module = MODULE.read_text()
    MODULE.write_text(f"{module}{MARK}{digest(module)}\n")


def main() -> int:
    """Generate or check the files; return the exit code."""
    if "--check" not in sys.argv[1:]:
        generate()
    elif not is_current():
        sys.stderr.write(f"{MODULE.name}: stale; run `make proto`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
