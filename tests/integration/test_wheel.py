"""The wheel in an environment of its own, far from the checkout; all other packages are those of this one."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from pathlib import Path

import pytest

from maskrcnn_core.synthetic.samples import sample_png
from tests.browser.conftest import free_port, wait_for_health

ROOT = Path(__file__).parents[2]
LEFT_OUT = {".pyc", ".nbi", ".nbc"}  # what Python and Numba make of the code

FACE = """
import maskrcnn_core, sys
from pathlib import Path
assert Path(maskrcnn_core.__file__).is_relative_to(sys.prefix), maskrcnn_core.__file__
for name in maskrcnn_core.__all__:
    getattr(maskrcnn_core, name)
"""
FIRST_PAGE = """
import sys
from streamlit.testing.v1 import AppTest
from maskrcnn_core.cli.serving import app_folder
assert app_folder().is_relative_to(sys.prefix), app_folder()
sys.path.insert(0, str(app_folder()))
test = AppTest.from_file(str(app_folder() / "app.py"), default_timeout=120).run()
for page in ("project", "review", "explain", "models", "annotate"):
    test.switch_page(f"pages/{page}/page.py").run()
    assert not test.exception, test.exception
print(sys.modules["pages.shell.navigation"].__file__)
"""
WORKER = """
from maskrcnn_core.projects.db.location import find_place
from maskrcnn_core.projects.proposals.supervising import start_worker
from maskrcnn_core.projects.proposals.worker import log_file
worker = start_worker(find_place())
worker.stdin.close()
assert worker.wait(120) == 0, log_file(find_place()).read_text()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", folder, ROOT], check=True, timeout=300)
    (file,) = folder.glob("maskdesk-*.whl")
    return file


class Installed:
    """An environment that has the wheel, and a folder to stand in."""

    def __init__(self, folder, wheel):
        self.folder, self.here = folder / "environment", folder / "elsewhere"
        self.here.mkdir()
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.folder], check=True, timeout=120)
        paths = {"base": str(self.folder), "platbase": str(self.folder)}
        site = Path(sysconfig.get_path("purelib", vars=paths))
        others = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
        (site / "others.pth").write_text("\n".join(others))
        self.bin = Path(sysconfig.get_path("scripts", vars=paths))
        self.python = self.bin / Path(sys.executable).name
        command = [sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet", "--no-deps"]
        subprocess.run([*command, "--ignore-installed", wheel], check=True, timeout=300)

    @property
    def environment(self):
        """Without what leads back to the checkout."""
        kept = {
            name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
        }
        data = self.here / "data"
        return kept | {
            "MASKDESK_DATA": str(data),
            "MASKDESK_DATABASE": "",
            "XDG_CACHE_HOME": str(data / "cache"),
        }

    def run(self, *command):
        done = subprocess.run(
            command, cwd=self.here, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python_runs(self, code):
        return self.run(self.python, "-c", code)

    def maskdesk(self, *arguments):
        return self.run(self.bin / "maskdesk", *arguments)


@pytest.fixture(scope="module")
def installed(tmp_path_factory, wheel):
    return Installed(tmp_path_factory.mktemp("far away"), wheel)


def test_the_wheel_holds_all_that_the_core_and_the_app_read(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    folders = {"maskrcnn_core": "maskrcnn_core", "pages": "maskdesk_app/pages"}
    there = {
        f"{place}/{file.relative_to(ROOT / folder).as_posix()}"
        for folder, place in folders.items()
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and file.suffix not in LEFT_OUT
    }
    assert held == there | {"maskdesk_app/app.py", "maskdesk_app/.streamlit/config.toml"}


def test_the_public_face_is_there_in_another_folder(installed):
    installed.python_runs(FACE)


def test_the_readmes_example_finds_the_cat_in_another_folder(installed):
    (example,) = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    (installed.here / "street.jpg").write_bytes(sample_png("cat"))
    found = [line.split() for line in installed.python_runs(example).splitlines()]
    assert [name for name, _, area in found if int(area) > 10_000] == ["cat"], found


def test_the_command_is_there_with_its_models(installed):
    assert "Usage: maskdesk [OPTIONS] COMMAND" in installed.maskdesk("--help")
    listed = installed.maskdesk("models")
    for key in ("photos", "shapes"):
        assert re.search(rf"^{key} .* yes$", listed, re.MULTILINE), listed
    assert f"weights  {installed.folder}" in listed


def test_projects_and_their_worker_work(installed):
    installed.maskdesk("project", "new", "Cells")  # by the migrations
    assert "Cells" in installed.maskdesk("project", "list")
    installed.python_runs(WORKER)


def test_every_page_opens(installed):
    assert str(installed.folder) in installed.python_runs(FIRST_PAGE).splitlines()[-1]


def test_the_app_starts_in_a_folder_that_has_pages_of_its_own(installed):
    (installed.here / "pages").mkdir()
    (installed.here / "pages" / "__init__.py").write_text("raise SystemExit('the wrong pages')")
    port, log = free_port(), installed.here / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [installed.python, "-m", "maskrcnn_core", "app", "--server.port", str(port)],
            cwd=installed.here,
            env=installed.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for_health(f"http://127.0.0.1:{port}", lambda: server.poll() is None, log)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
                assert b"Streamlit" in answer.read()
        finally:
            server.terminate()
            server.wait(60)
    shutil.rmtree(installed.here / "pages")
    # The address that the app's own settings bind it to: Streamlit's is every one of the computer.
    assert f"URL: http://127.0.0.1:{port}" in log.read_text("utf-8")
