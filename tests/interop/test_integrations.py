"""The integrations hold against the SDKs that they are for, which lie in an environment of their own."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_CHECKS = Path(__file__).with_name("sdk_checks.py")
_SECONDS = 400


def interpreter():
    """Python with the SDKs: this one where it has them, else that of `make test-interop`."""
    if find_spec("cvat_sdk") and find_spec("label_studio_ml"):
        return Path(sys.executable)
    return _ROOT / ".venv-interop" / "bin" / "python"


def test_the_integrations_hold_against_their_sdks():
    python = interpreter()
    assert python.exists(), "the SDKs are not installed: run `make test-interop`"
    run = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", _CHECKS],
        cwd=_ROOT,
        env=os.environ | {"PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    assert "passed" in run.stdout and "skipped" not in run.stdout.replace("nothing was skipped", "")
