import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from maskrcnn_core.common import atomic_files
from maskrcnn_core.common.atomic_files import clear_scratch, replace_file

ROOT = Path(__file__).parents[3]


def test_replace_file_writes_to_where_a_link_points(tmp_path):
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_bytes(b"old")
    link.symlink_to(real)
    replace_file(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_replace_file_keeps_the_old_file_when_writing_fails(tmp_path, monkeypatch):
    file = tmp_path / "a.json"
    file.write_bytes(b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maskrcnn_core.common.atomic_files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(file, b"new")
    assert file.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@contextmanager
def python(code, *arguments, **options):
    """A Python of its own, and the first line that it prints; killed at the end."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, **options) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


WRITER = """
import os, sys, time
from pathlib import Path
from maskrcnn_core.common import atomic_files as files
files.os.fsync = lambda _: (print("half", flush=True), time.sleep(60))
files.replace_file(Path(sys.argv[1]), b"new")
"""


def test_what_a_killed_writer_left_is_gone_after_the_next_one(tmp_path):
    file = tmp_path / "a.json"
    for _ in range(2):
        with python(WRITER, file) as (_, said):
            assert said == "half"
    left = [path.name for path in tmp_path.iterdir()]
    assert len(left) == 1 and left[0].endswith(".part"), "the second writer took over what the first one left"
    replace_file(file, b"newer")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    file = tmp_path / "a.json"
    with python(WRITER, file) as (_, said):
        assert said == "half"
        replace_file(file, b"mine")
        assert file.read_bytes() == b"mine"
        assert len([path for path in tmp_path.iterdir() if path.suffix == ".part"]) == 1, "the other one's"


def test_files_are_written_where_a_file_system_knows_no_locks(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("maskrcnn_core.common.atomic_files.fcntl.flock", no_locks)
    replace_file(tmp_path / "a.json", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_where_open_files_cannot_be_moved_a_file_is_closed_first(tmp_path, monkeypatch):
    """As under Windows, where each writer has a name of its own."""
    was_open, replace = [], os.replace

    def replace_closed(part, path):
        files = (Path(f"/proc/self/fd/{name}").resolve() for name in os.listdir("/proc/self/fd"))
        was_open.append(Path(part).resolve() in files)
        replace(part, path)

    monkeypatch.setattr(atomic_files, "_MOVES_OPEN_FILES", False)
    monkeypatch.setattr(os, "replace", replace_closed)
    threads = [Thread(target=replace_file, args=(tmp_path / "a.json", b"new")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert was_open == [False] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_scratch_folder_is_its_owners_also_where_open_files_cannot_be_moved(temporary, monkeypatch):
    monkeypatch.setattr(atomic_files, "_MOVES_OPEN_FILES", False)
    folder = temporary / "maskdesk-own"
    folder.mkdir()
    lock = atomic_files._owned(folder)
    os.utime(folder, (0, 0))
    assert clear_scratch() == 0
    lock.close()
    assert clear_scratch() == 1 and not folder.exists()


KEEPER = """
import sys, time
from maskrcnn_core.workspace import Workspace
from maskrcnn_core.synthetic.samples import sample_png
kept = Workspace()
assert kept.add("a.png", sample_png("shapes")).added
print(kept._folder.parent, flush=True)
time.sleep(float(sys.argv[1]))
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A system's temporary folder of our own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_folders_of_killed_processes_go_and_those_of_living_ones_stay(temporary):
    environment = os.environ | {"TMPDIR": str(temporary)}
    with python(KEEPER, 60, env=environment) as (_, said):
        own = Path(said)
        with python(KEEPER, 60, env=environment) as (_, said):
            left = Path(said)
        assert own.parent == left.parent == temporary
        assert left.is_dir() and clear_scratch() == 1
        assert own.is_dir() and not left.exists()
        with python(KEEPER, 0, env=environment) as (later, _):
            assert later.wait() == 0
        assert [path.name for path in temporary.iterdir()] == [own.name], "a process clears up after itself"


def test_the_next_process_that_asks_for_a_folder_clears_up_after_a_killed_one(temporary):
    environment = os.environ | {"TMPDIR": str(temporary)}
    with python(KEEPER, 60, env=environment) as (killed, said):
        left = Path(said)
    assert killed.returncode == -signal.SIGKILL and left.is_dir()
    with python(KEEPER, 60, env=environment) as (_, said):
        assert Path(said).is_dir() and not left.exists()


def test_folders_that_nobody_has_marked_go_after_a_day(temporary):
    young, old, link = (temporary / f"maskdesk-{name}" for name in ("young", "old", "link"))
    elsewhere = temporary / "elsewhere"
    for folder in (young, old, elsewhere):
        folder.mkdir()
    link.symlink_to(elsewhere)
    os.utime(old, (0, time.time() - 90_000))
    os.utime(elsewhere, (0, 0))
    assert clear_scratch() == 1
    assert young.is_dir() and elsewhere.is_dir() and not old.exists()


def test_a_process_that_is_asked_to_end_clears_up(temporary):
    code = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(1))\n" + KEEPER
    with python(code, 60, env=os.environ | {"TMPDIR": str(temporary)}) as (asked, said):
        assert Path(said).is_dir()
        asked.send_signal(signal.SIGTERM)
        assert asked.wait() == 1
    assert not list(temporary.iterdir())
