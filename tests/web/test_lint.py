"""The scripts' types, as their JSDoc gives them, and what eslint and prettier say of them."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "node_modules" / ".bin"


def run(tool, *arguments):
    if not (TOOLS / tool).exists():
        pytest.skip(f"{tool} is not installed: `make test` gets it where npm is")
    command = [TOOLS / tool, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_scripts_pass_the_type_checker():
    listed = run("tsc", "--listFiles").splitlines()
    checked = {Path(line) for line in listed if "/node_modules/" not in line}
    scripts = {file for file in ROOT.glob("pages/components/web/**/*") if file.suffix in (".js", ".json")}
    assert checked == scripts


def test_eslint_finds_nothing():
    run("eslint", "--max-warnings", "0")


def test_prettier_changes_nothing():
    run("prettier", "--check", ".")
