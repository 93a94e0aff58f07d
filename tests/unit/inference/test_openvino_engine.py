"""The engine ``openvino``, in a process of its own: its native code and threads stay there."""

import subprocess
import sys
from pathlib import Path

from maskrcnn_core.common.extras import missing_extra
from tests.needs import lacks

CHECKS = Path(__file__).with_name("openvino_checks.py")


def test_the_engine_holds_its_checks():
    if lack := missing_extra("openvino", "the engine"):
        lacks(lack)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", str(CHECKS)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " 6 passed" in done.stdout
