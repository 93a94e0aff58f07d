"""What needs no network starts without torch, which takes longer to import than all else together."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

STORE_AND_FORMATS = """
import maskrcnn_core.formats, maskrcnn_core.evaluation, maskrcnn_core.models, maskrcnn_core.workspace
import maskrcnn_core.store.store, maskrcnn_core.store.proposing, maskrcnn_core.store.drawing
import maskrcnn_core.worker
"""
COMMANDS = """
import os, sys
os.environ["MASKDESK_DATA"] = sys.argv[1]
from maskrcnn_core.cli import app
for command in ("annotate --help", "train --help", "models", "project new Cells", "project list"):
    app(command.split(), standalone_mode=False)
"""


@pytest.mark.parametrize("code", [STORE_AND_FORMATS, COMMANDS], ids=["store and formats", "commands"])
def test_it_is_not_imported(code, tmp_path):
    code += "\nimport sys\nprint('torch' in sys.modules)"
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"
