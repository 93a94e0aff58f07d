"""Samples that another process draws."""

import subprocess
import sys
from hashlib import sha256

from maskrcnn_core.synthetic.samples import SAMPLES, PackagedPhoto, draw_sample

DRAWN = [sample.key for sample in SAMPLES if not isinstance(sample.source, PackagedPhoto)]


def test_another_process_draws_the_same_pixels_in_another_order():
    script = (
        "from hashlib import sha256\nfrom maskrcnn_core.synthetic.samples import draw_sample\n"
        f"for k in reversed({DRAWN}): print(k, sha256(draw_sample(k).tobytes()).hexdigest())"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert dict(line.split() for line in run.stdout.splitlines()) == {
        key: sha256(draw_sample(key).tobytes()).hexdigest() for key in DRAWN
    }
