"""Tests in a process of their own, where native code and its threads stay."""

import subprocess
import sys
from pathlib import Path

__all__ = ["assert_passes_apart"]

_ROOT = Path(__file__).resolve().parents[1]


def assert_passes_apart(checks: Path, count: int) -> None:
    """Run a file of tests in another process, and check that so many of them passed and none did not."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", str(checks)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert f" {count} passed" in done.stdout and "nothing was skipped" in done.stdout
