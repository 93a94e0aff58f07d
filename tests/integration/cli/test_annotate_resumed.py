"""`annotate` killed, terminated or interrupted, and resumed."""

import json
import re
import signal
from pathlib import Path

import psutil
import pytest

from maskrcnn_core.batch import journal_file
from maskrcnn_core.cli import app as cli
from tests.builders.cli import invoke, run_here, shared_or_none, start, wait_for_images
from tests.shared_data import shared_path

pytestmark = pytest.mark.usefixtures("weights")


@pytest.fixture(scope="module")
def model(request):
    """A fast model where the shared weights are there, else a random one: as options."""
    return ["--model", "mobile"] if shared_or_none("weights") else request.getfixturevalue("custom")


@pytest.fixture(scope="module")
def undisturbed(pictures, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    with pytest.MonkeyPatch.context() as patch:
        if shared_or_none("weights"):
            patch.setenv("MASKDESK_WEIGHTS", str(shared_path("weights")))
        code, out, err = run_here("annotate", pictures, *outputs(folder), *model)
    assert code == 0, err
    assert "8 of 8 images annotated" in out
    assert "lowest mask IoU read back: 1.000000" in out
    return contents(folder)


def outputs(folder: Path) -> list[str]:
    low = ["--score-threshold", "0.05", "--max-detections", "10"]
    return ["--out", f"{folder}/a.json", "--results", f"{folder}/r.json", *low]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "more", [[], ["--quiet"], ["--workers", "2"]], ids=["with a bar", "quiet", "two workers"]
)
def test_a_killed_run_resumed_ends_byte_for_byte_as_an_undisturbed_one(
    pictures, model, undisturbed, tmp_path, more
):
    assert len(json.loads(undisturbed["r.json"])) > 8
    arguments = ["annotate", pictures, *outputs(tmp_path), *model, *more]
    journal = journal_file(tmp_path / "a.json")
    process = start(*arguments)
    wait_for_images(process, journal, 2)
    workers = psutil.Process(process.pid).children()
    assert len(workers) == (2 if "--workers" in more else 0)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not psutil.wait_procs(workers, timeout=60)[1], "they end with the one that started them"
    assert not (tmp_path / "a.json").exists() and not (tmp_path / "r.json").exists()
    with journal.open("ab") as file:  # and once more in the middle of a line
        file.write(b'{"path":"')
    code, out, err = run_here(*arguments, "--resume")
    assert code == 0, err
    assert re.search(r"8 of 8 images annotated; [2-7] of them before the run was resumed", out)
    left = contents(tmp_path)
    assert {name: left[name] for name in undisturbed} == undisturbed
    assert set(left) - set(undisturbed) <= {".a.json.journal.lock"}


@pytest.mark.parametrize(
    ("number", "more"),
    [(signal.SIGINT, []), (signal.SIGTERM, []), (signal.SIGINT, ["--workers", "2"])],
    ids=["SIGINT", "SIGTERM", "SIGINT to two workers"],
)
def test_a_run_that_is_asked_to_end_tells_how_to_go_on(number, more, pictures, model, undisturbed, tmp_path):
    arguments = ["annotate", pictures, *outputs(tmp_path), *model, *more]
    # Tests that a shell has put into the background ignore SIGINT, and hand that down.
    process = start(*arguments, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    wait_for_images(process, journal_file(tmp_path / "a.json"), 1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert re.search(r"interrupted after [0-8] of 8 images; the same command with --resume continues", err)
    assert "Traceback" not in err
    assert list(contents(tmp_path)) == ["a.json.journal"]
    code, _, err = run_here(*arguments, "--resume")
    assert code == 0, err
    assert contents(tmp_path) == undisturbed


def test_other_settings_are_refused_when_resuming(tiny, drawn, tmp_path):
    out = tmp_path / "a.json"

    def interrupt(runner, settings, run, on_progress):
        def stop(done, total, outcome):
            on_progress(done, total, outcome)
            raise KeyboardInterrupt

        return run_batch(runner, settings, run, stop)

    run_batch = cli.run_batch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "run_batch", interrupt)
        stopped = invoke("annotate", drawn, "--out", out)
    assert stopped.exit_code == 130
    assert "interrupted after 1 of 2 images" in stopped.stderr
    result = invoke("annotate", drawn, "--out", out, "--resume", "--score-threshold", "0.3")
    assert result.exit_code == 2
    assert "score threshold 0.5, this one has 0.3" in result.stderr
    assert invoke("annotate", drawn, "--out", out, "--resume", "--quiet").exit_code == 0
