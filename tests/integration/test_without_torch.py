"""What needs no network starts without torch, which takes longer to import than all else, and without Ray."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

STORE_AND_FORMATS = """
import maskrcnn_core.formats
import maskrcnn_core.evaluation.coco_metrics
import maskrcnn_core.models.catalog
import maskrcnn_core.workspace
import maskrcnn_core.projects.store
import maskrcnn_core.projects.proposals.proposing
import maskrcnn_core.projects.proposals.network_edits
import maskrcnn_core.projects.proposals.worker
"""
COMMANDS = """
import os, sys
os.environ["MASKDESK_DATA"] = sys.argv[1]
from maskrcnn_core.cli.app import app
for command in ("annotate --help", "train --help", "models", "project new Cells", "project list"):
    app(command.split(), standalone_mode=False)
"""
HINT = """
import numpy as np
from maskrcnn_core.models.domains.rule import guess_domain
guess_domain(np.zeros((40, 40, 3), np.uint8))
"""


@pytest.mark.parametrize(
    "code", [STORE_AND_FORMATS, COMMANDS, HINT], ids=["store and formats", "commands", "hint"]
)
def test_it_is_not_imported(code, tmp_path):
    code += "\nimport sys\nprint(not {'torch', 'ray'}.isdisjoint(sys.modules))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"
