"""The scripts' types, as their JSDoc gives them."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TSC = ROOT / "node_modules" / ".bin" / "tsc"


@pytest.mark.skipif(not TSC.exists(), reason="typescript is not installed: `make test` gets it where npm is")
def test_the_scripts_pass_the_type_checker():
    done = subprocess.run(
        [TSC, "--listFiles"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout
    checked = {Path(line) for line in done.stdout.splitlines() if "/node_modules/" not in line}
    assert checked == set(ROOT.glob("pages/ui/*/frontend/*.js"))
