"""The command line in this process, and in one of its own."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from maskrcnn_core.cli import app as cli
from tests.shared_data import shared_path

ROOT = Path(__file__).resolve().parents[2]


def shared_or_none(*parts: str) -> Path | None:
    try:
        return shared_path(*parts)
    except pytest.skip.Exception:
        return None


def invoke(*arguments):
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments], catch_exceptions=False)
    assert "Traceback" not in result.output
    return result


def annotated(*arguments):
    """Annotate with a random model that finds five objects in each image or tile; it has to succeed."""
    result = invoke("annotate", *arguments, "--score-threshold", "0.05", "--max-detections", "5", "-q")
    assert result.exit_code == 0, result.stderr
    return result


def run_here(*arguments) -> tuple[int, str, str]:
    """As :func:`run`, in this process: what is killed, or has another terminal, needs one of its own."""
    result = invoke(*arguments)
    return result.exit_code, result.stdout, result.stderr


def start(*arguments, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "maskrcnn_core", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def run(*arguments, **options) -> tuple[int, str, str]:
    process = start(*arguments, **options)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def wait_for_images(process: subprocess.Popen, journal: Path, images: int) -> None:
    """Until so many are in the journal."""
    deadline = time.monotonic() + 300
    while not journal.exists() or journal.read_bytes().count(b"\n") < images + 1:
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.002)
