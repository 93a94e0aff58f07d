"""Commands where memory ends, and names that files and spreadsheets cannot take."""

import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from maskrcnn_core.common.one_line import NO_MEMORY, is_out_of_memory
from maskrcnn_core.formats.base import file_name
from maskrcnn_core.images.reading import encode_png, read_image
from maskrcnn_core.inference.forward import resize_and_normalise
from tests.builders.core import make_image, make_network
from tests.integration.bounds.memory import ROOT, run_within


@pytest.fixture
def photo(tmp_path):
    file = tmp_path / "photo.png"
    file.write_bytes(encode_png(make_image(120, 160)))
    return file


@pytest.mark.parametrize("megabytes", [4000, 1500])
def test_a_command_without_memory_says_so_in_one_sentence(tmp_path, photo, megabytes):
    out = tmp_path / "out.json"
    args = ("-m", "maskrcnn_core", "annotate", str(photo), "--model", "nuclei", "--out", str(out), "--quiet")
    done = run_within(megabytes, *args)
    assert "Traceback" not in done.stderr + done.stdout
    if megabytes == 1500 or done.returncode:  # what torch maps differs from machine to machine
        assert done.returncode == 1 and NO_MEMORY in done.stderr.splitlines()[-1]
    else:
        assert out.exists()


COMPILING = """
import resource, sys
from pathlib import Path
import numpy as np
from maskrcnn_core.common.compiled import compiled
sys.path.insert(0, sys.argv[1])
import loop
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + int(sys.argv[2]),) * 2)
try:
    print(compiled(loop.total)(np.arange(4.0)))
except MemoryError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("room", "said"), [(50 << 20, "total: not enough memory to compile it"), (2 << 30, "6.0")]
)
def test_nothing_is_compiled_where_the_compiler_would_never_end(tmp_path, room, said):
    (tmp_path / "loop.py").write_text(
        "def total(a):\n    s = 0.0\n    for x in a:\n        s += x\n    return s\n"
    )
    done = run_within(1 << 16, "-c", COMPILING, str(tmp_path), str(room), timeout=60)
    assert done.stdout.strip() == said, done.stderr


def test_an_image_is_read_with_the_memory_of_its_file(photo):
    script = (
        "import sys; from maskrcnn_core.images.reading import read_image; print(read_image(sys.argv[1]).size)"
    )
    done = run_within(900, "-c", script, str(photo))
    assert done.stdout == f"{read_image(photo).size}\n", done.stderr


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_every_library_that_says_so_is_understood(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [ValueError("out of memory"), OSError(2, "no file"), RuntimeError("x")])
def test_other_errors_are_others(error):
    assert not is_out_of_memory(error)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("..", "image"),
        (".", "image"),
        ("../../evil.pth", "evil.pth"),
        ("my model.safetensors", "my model.safetensors"),
        ("\N{MICROSCOPE}" * 80 + ".pth", "\N{MICROSCOPE}" * 25 + ".pth"),
        ("a\0b\n.pth", "a_b_.pth"),
    ],
)
def test_any_name_of_a_model_file_becomes_one_that_a_file_system_takes(tmp_path, name, safe):
    assert file_name(name) == safe
    (tmp_path / safe).write_bytes(b"")


@pytest.mark.parametrize("name", ["..", "\N{MICROSCOPE}" * 80], ids=["dots", "emoji"])
def test_a_model_file_of_any_name_is_told_what_is_wrong_with_it(name, tmp_path, monkeypatch):
    monkeypatch.setenv("MASKDESK_DATA", str(tmp_path))
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    at.switch_page("pages/models/page.py").run()
    at.file_uploader(key="custom-weights").set_value((name, b"no weights", "application/octet-stream"))
    at.file_uploader(key="custom-names").set_value((name, b"cat\n", "text/plain"))
    at.run()
    at.button(key="load-custom").click().run()
    assert not at.exception and len(at.error) == 1


LARGE = """
import sys
import numpy as np
import torch
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from tests.integration.bounds.memory import peak_megabytes

torch.set_num_threads(1)
predictor = Predictor(get_model("nuclei"))
predictor.open(np.zeros((200, 200, 3), np.uint8))
before = peak_megabytes()
print(predictor.open(read_image(sys.argv[1]).pixels).image_size)
print(peak_megabytes() - before)
"""


def test_an_image_of_49_megapixels_takes_at_most_700_megabytes_beside_the_model(tmp_path):
    file = tmp_path / "large.jpg"
    Image.new("RGB", (7000, 7000), (200, 120, 40)).save(file, quality=1)
    done = run_within(16_000, "-c", LARGE, str(file))
    size, megabytes = done.stdout.splitlines()
    assert size == "(7000, 7000)" and int(megabytes) < 700


def test_a_large_image_looks_to_the_network_as_torchvision_makes_it(monkeypatch):
    network = make_network().eval()
    images = [make_image(300, 401), make_image(300, 401, 2)]
    whole = resize_and_normalise(network, images, torch.device("cpu"))
    monkeypatch.setattr("maskrcnn_core.inference.forward.WHOLE_PIXELS", 1000)
    parts = resize_and_normalise(network, images, torch.device("cpu"))
    assert parts.image_sizes == whole.image_sizes
    assert torch.allclose(parts.tensors, whole.tensors, rtol=0, atol=1e-6)
