"""Setting up from an index of wheels on the loopback interface: torch comes from where TORCH_INDEX says."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


class Index:
    """A simple repository (PEP 503) that serves a folder and notes what it is asked for."""

    def __init__(self, folder):
        self.folder, self.asked = folder, []
        index = self

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=str(folder))

            def log_request(self, code="-", size="-"):
                index.asked.append(self.path)

            def log_message(self, *_):
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.httpd.server_port}/"
        self.thread = threading.Thread(target=self.httpd.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()
        self.thread.join()

    def add(self, name, version, needs=()):
        """A wheel that holds one empty module."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        info = f"{name}-{version}.dist-info"
        members = {
            f"{name}.py": "",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            + "".join(f"Requires-Dist: {need}\n" for need in needs),
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = [
            f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},"
            for path, text in members.items()
        ]
        members[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""])
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            for path, text in members.items():
                wheel.writestr(path, text)
        links = "".join(f'<a href="{wheel.name}">{wheel.name}</a>' for wheel in folder.glob("*.whl"))
        (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")


@pytest.fixture
def indexes(tmp_path):
    usual, small = Index(tmp_path / "usual"), Index(tmp_path / "small")
    yield usual, small
    usual.close()
    small.close()


def make(folder, usual, *arguments):
    """What ``make setup`` installs before MaskDesk itself, with a pip that knows the usual index alone."""
    clean = {
        name: value for name, value in os.environ.items() if not name.lower().startswith(("pip_", "make"))
    }
    environment = clean | {"PIP_INDEX_URL": usual.url, "PIP_CONFIG_FILE": os.devnull, "no_proxy": "127.0.0.1"}
    environment |= {"PIP_NO_CACHE_DIR": "1", "VIRTUAL_ENV": ""}
    done = subprocess.run(
        ["make", ".venv/run.stamp", f"PYTHON={sys.executable}", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    listed = subprocess.run(
        [folder / ".venv" / "bin" / "python", "-m", "pip", "freeze"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, sorted(listed.stdout.split())


@pytest.fixture
def checkout(tmp_path):
    """The Makefile with requirements of its own: torch's lines as they are, and one package more."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    kept = [line for line in lines if line.startswith(("torch==", "torchvision=="))]
    assert len(kept) == 2
    (folder / "requirements.txt").write_text("\n".join(["other==1.0", *kept, ""]))
    return folder, [line.split("==")[1].replace("*", "0") for line in kept]


def test_torch_alone_comes_from_the_index_that_a_variable_names(checkout, indexes):
    folder, (torch, vision) = checkout
    usual, small = indexes
    usual.add("other", "1.0")
    for name, version in (("torch", torch), ("torchvision", vision)):
        usual.add(name, version, needs=["cuda_libraries"])
        small.add(name, f"{version}+cpu")
    said, installed = make(folder, usual, f"TORCH_INDEX={small.url}")
    assert installed == ["other==1.0", f"torch=={torch}+cpu", f"torchvision=={vision}+cpu"]
    assert not any("torch" in path for path in usual.asked)
    assert not any("other" in path for path in small.asked)
    assert small.url in said and "Downloading" in said, "it says what it does while it does it"


def test_without_the_variable_all_comes_from_the_usual_index(checkout, indexes):
    folder, (torch, vision) = checkout
    usual, small = indexes
    for name, version in (("other", "1.0"), ("torch", torch), ("torchvision", vision)):
        usual.add(name, version)
    said, installed = make(folder, usual)
    assert installed == ["other==1.0", f"torch=={torch}", f"torchvision=={vision}"]
    assert small.asked == [] and "TORCH_INDEX=" in said


def test_the_project_itself_is_installed_last_as_it_is_in_its_folder(checkout):
    folder, _ = checkout
    shutil.copy(ROOT / "pyproject.toml", folder)
    told = subprocess.run(["make", "-n", "setup"], cwd=folder, capture_output=True, text=True, check=True)
    installing = [line for line in told.stdout.splitlines() if "pip install" in line]
    assert [line.split()[-2:] for line in installing] == [["-r", "requirements.txt"], ["--editable", "."]]


def test_no_index_is_written_into_the_project():
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text()
        assert "://" not in text.replace("http://127.0.0.1", ""), (
            f"{name}: which index is a matter of the machine"
        )
