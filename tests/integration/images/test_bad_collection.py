"""Each of 542 broken or odd images, in a process of their own: decoded or refused, at little cost."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared_data import shared_path

SWEEP = """
import json, resource, sys, time, warnings
from pathlib import Path
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "", UserWarning, "PIL[.](Png|Tiff)ImagePlugin")  # as in pyproject.toml
from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.reading import decode_image, encode_png
import numpy as np

decode_image(encode_png(np.zeros((9, 9, 3), np.uint8)), "warm-up.png")
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
for path in sorted(p for p in Path(sys.argv[1]).glob("*/*") if p.is_file()):
    before, start, answer = peak(), time.perf_counter(), None
    data = path.read_bytes()
    print(json.dumps({"begins": path.name}), flush=True)  # names the culprit of a crash
    try:
        image = decode_image(data, path.name)
        ok, message = True, ""
        assert image.pixels.shape == (*image.size, 3)
    except ImageError as error:
        ok, message = False, str(error)
    seconds = time.perf_counter() - start
    print(json.dumps({"name": path.name, "folder": path.parent.name, "ok": ok, "message": message,
                      "seconds": seconds, "grown": peak() - before}), flush=True)
"""


@pytest.fixture(scope="module")
def sweep():
    folder = shared_path("data", "bad_images")
    run = subprocess.run(
        [sys.executable, "-c", SWEEP, str(folder)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        timeout=500,
        check=False,
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, f"{lines[-1:]}: {run.stderr[-2000:]}"
    # libtiff itself writes a line about a broken file now and then; Python must not
    assert not re.search(r"Warning: |Traceback|Exception ignored", run.stderr)
    return [line for line in lines if "name" in line]


def test_each_of_the_bad_images_is_decoded_or_refused_in_one_line(sweep):
    assert len(sweep) == 542
    for file in sweep:
        if not file["ok"]:
            assert re.fullmatch(rf"{re.escape(file['name'])}: [^\n]+", file["message"])
    assert sum(file["ok"] for file in sweep) >= 250


def test_no_bad_image_takes_long_or_much_memory(sweep):
    assert max(file["seconds"] for file in sweep) < 10
    assert max(file["grown"] for file in sweep) < 300 * 2**20


def test_good_images_of_odd_kinds_are_not_refused(sweep):
    refused = [f["name"] for f in sweep if f["folder"] == "10_exif_orientation" and not f["ok"]]
    assert all(name.endswith(".avif") for name in refused)
