"""What says why uploads are refused: its script, and Node's tests of it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pages.ui.uploads import uploads_script

UPLOADS = Path(__file__).parents[2] / "pages" / "ui" / "uploads"

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


@needs_node
def test_the_script_is_one_valid_module_with_one_export(tmp_path):
    (tmp_path / "uploads.mjs").write_text(uploads_script(), "utf-8")
    code = "import('./uploads.mjs').then((m) => console.log(Object.keys(m).join(), m.default.name))"
    done = subprocess.run(
        ["node", "-e", code], cwd=tmp_path, check=True, timeout=60, capture_output=True, text=True
    )
    assert done.stdout.strip() == "default mountUploads"


@needs_node
def test_node_tests_pass():
    done = subprocess.run(
        ["node", "--test", "tests/uploads.test.js"],
        cwd=UPLOADS,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_uploader_has_the_reason_beside_it():
    pages = UPLOADS.parents[1]
    for file in pages.rglob("*.py"):
        text = file.read_text("utf-8")
        if "file_uploader(" in text:
            assert "say_why_uploads_fail(" in text, file
