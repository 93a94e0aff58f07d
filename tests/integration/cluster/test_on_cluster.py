"""``--cluster`` on a real Ray of two nodes, with images, shards and a project's files on a real S3 server."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib.util import find_spec

import pytest

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects.exchange.images_in import import_images
from maskrcnn_core.projects.proposals import jobs
from maskrcnn_core.projects.store import Store
from maskrcnn_core.shards.plan import make_plan
from maskrcnn_core.shards.sources import Sources
from maskrcnn_core.shards.stores import Folder
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, draw_scene
from tests.builders.cli import invoke
from tests.builders.cluster import put_text, two_nodes
from tests.needs import lacks

# Ray gives its own processes half a minute to begin, which they do not have beside other tests on two cores.
pytestmark = pytest.mark.only_all

IMAGES, SIZE = 15, 2
SHARDS = 8
PHOTOS = "s3://desk/photos"
SECONDS = 120


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


CLIENT_PORT = free_port()


def picture(seed):
    return encode_png(draw_scene(200_000 + seed).pixels[:96, :128].copy())


@pytest.fixture(scope="module")
def desk():
    """A cluster and a bucket with images, one of them broken; the environment leads to both."""
    if not (find_spec("moto") and find_spec("s3fs") and find_spec("ray")):
        lacks("no cluster to test with: install requirements-dev.txt")
    import fsspec
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    before = dict(os.environ)
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    folder = tempfile.mkdtemp(prefix="mdr", dir="/tmp")  # paths of sockets have to be short
    try:
        files = fsspec.filesystem("s3", skip_instance_cache=True)
        files.mkdir("desk")
        for seed in range(IMAGES - 1):
            files.pipe_file(f"desk/photos/x{seed}.png", picture(seed))
        files.pipe_file("desk/photos/broken.png", b"no image")
        with two_nodes(folder, CLIENT_PORT) as cluster:
            yield cluster, files
    finally:
        os.environ.clear()
        os.environ |= before
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def expected(desk, tmp_path_factory):
    """The file that one computer makes of the images."""
    folder = tmp_path_factory.mktemp("one")
    result = command(*given(folder / "a.json"), "--shards", folder / "shards")  # with one thread, as workers
    assert result.returncode == 0, result.stderr
    return (folder / "a.json").read_bytes()


def given(out):
    return ["annotate", PHOTOS, "--out", out, "--model", "shapes", "--shard-size", SIZE, "--quiet"]


def command(*arguments):
    run = [sys.executable, "-m", "maskrcnn_core", *map(str, arguments)]
    return subprocess.run(run, capture_output=True, text=True, timeout=2 * SECONDS, check=False)


def plan_in(address):
    sources = {"named": [PHOTOS], "column": None, "shard size": SIZE}
    assert len(make_plan(Sources([PHOTOS]).entries(), Folder(address), sources, SIZE)) == SHARDS


def driver(cluster, address, control, worker="WatchedWorker"):
    arguments = [cluster.address, address, str(control), worker]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.builders.cluster", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait(process, is_so):
    end = time.monotonic() + SECONDS
    while not is_so():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end
        time.sleep(0.05)


def await_file(file, process):
    wait(process, file.exists)
    return file.read_text()


def await_made(folder, count, process):
    wait(process, lambda: len(list(folder.glob("made-*"))) >= count)


def test_a_worker_a_node_and_the_driver_die_and_the_file_is_that_of_one_computer(desk, expected, tmp_path):
    cluster, files = desk
    plan_in("s3://desk/killed/shards")
    put_text(tmp_path / "stop-worker", "")
    running = driver(cluster, "s3://desk/killed/shards", tmp_path)
    try:
        worker = int(await_file(tmp_path / "stopped-worker", running))
        os.kill(worker, signal.SIGKILL)
        await_made(tmp_path, 2, running)
        put_text(tmp_path / "stop-node", cluster.second)
        await_file(tmp_path / "stopped-node", running)
        put_text(tmp_path / "stop-driver", "")
        cluster.remove()
        await_file(tmp_path / "stopped-driver", running)
    finally:
        running.kill()
        running.communicate()
    cluster.add()
    made = [file.name.split("-")[1] for file in tmp_path.glob("made-*")]
    done = [name for name in files.ls("desk/killed/shards", detail=False) if name.endswith(".done.json")]
    assert len(made) == len(set(made)) == len(done), "a shard was made twice, or is not whole"
    assert 0 < len(done) < SHARDS
    result = command(*given("s3://desk/killed"), "--resume", "--cluster", cluster.address)
    assert result.returncode == 0, result.stderr
    before = sum(SIZE for _ in done) - ("desk/killed/shards/000007.done.json" in done)
    assert f"14 of {IMAGES} images annotated; {before} of them before the run was resumed" in result.stdout
    assert "copied to s3://desk/killed/annotations.json" in result.stdout
    assert files.cat_file("desk/killed/annotations.json") == expected


def test_from_outside_of_the_cluster_too(desk, expected):
    _, files = desk
    address = f"ray://127.0.0.1:{CLIENT_PORT}"
    result = command(*given("s3://desk/client.json"), "--cluster", address, "--workers", 2)
    assert result.returncode == 0, result.stderr
    assert "broken.png: expected a JPEG" in result.stderr, "one image's failure ends nothing"
    assert "joined a cluster of 2 nodes with 2 CPUs" in result.stderr
    assert f"14 of {IMAGES} images annotated" in result.stdout and "1 failed" in result.stdout
    assert files.cat_file("desk/client.json") == expected
    assert files.exists("desk/client.json.shards/plan.json")


def test_a_shard_that_kills_its_workers_is_given_up_and_the_others_are_done(desk, tmp_path):
    cluster, files = desk
    plan_in("s3://desk/dying")
    running = driver(cluster, "s3://desk/dying", tmp_path, "DyingWorker")
    try:
        said, _ = running.communicate(timeout=SECONDS)
    finally:
        running.kill()
        running.communicate()
    assert "1 shard was given up: shard 000001: 2 workers in a row died of it" in said
    done = [name for name in files.ls("desk/dying", detail=False) if name.endswith(".done.json")]
    assert len(done) == SHARDS - 1


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a function that makes a project with the images, whose files lie where it is told."""

    def make(data, name):
        monkeypatch.setenv("MASKDESK_DATA", str(data))
        monkeypatch.setenv("MASKDESK_DATABASE", f"sqlite:///{tmp_path / f'{name}.db'}")
        store = Store()
        project = store.create_project("Shapes", "ann", categories=SCENE_CATEGORIES).id
        pictures = [(f"{seed}.png", picture(seed)) for seed in range(20)]
        import_images(store, project, "ann", pictures)
        return store, project

    return make


def proposed(store, project):
    """What is proposed, without the ids of the store and the order in which it came."""
    files = {row.id: row.file_name for row in store.images(project)}
    return Counter(
        (files[row.image_id], row.category_id, row.counts, row.score, row.status, str(row.doubts))
        for row in store.instances(project)
    )


def on_cluster(cluster):
    run = ["project", "annotate", "Shapes", "--model", "shapes", "--quiet", "--who", "ann"]
    return command(*run, "--cluster", cluster.address)


@pytest.fixture
def alone(desk, place, tmp_path):
    """What a worker of this computer proposes."""
    store, project = place(tmp_path / "alone", "alone")
    assert invoke("project", "annotate", "Shapes", "--model", "shapes", "--background").exit_code == 0
    assert command("project", "work", "--once").returncode == 0
    found = proposed(store, project)
    store.close()
    assert sum(found.values()) > 20 and set(found.values()) == {1}
    return found


def test_a_job_whose_driver_dies_goes_on_and_proposes_what_one_computer_does(desk, place, alone):
    cluster, _ = desk
    store, project = place("s3://desk/data", "bucket")
    assert invoke("project", "annotate", "Shapes", "--model", "shapes", "--background").exit_code == 0
    arguments = [sys.executable, "-m", "tests.builders.cluster_project", cluster.address, "Shapes"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "three\n"
        running.kill()
    (job,) = jobs.jobs_of(store, project)
    assert (job.state, job.done) == ("running", 3)
    result = on_cluster(cluster)
    assert result.returncode == 0, result.stderr
    assert "going on with job 1" in result.stderr and "17 images newly run" in result.stderr
    assert "job 1 is done: 20 of 20 images done" in result.stdout
    assert proposed(store, project) == alone
    again = on_cluster(cluster)
    assert again.returncode == 0 and "0 images newly run" in again.stderr
    assert proposed(store, project) == alone
    store.close()


def test_images_in_a_folder_are_sent_and_one_that_is_gone_fails_alone(desk, place, alone, tmp_path):
    cluster, _ = desk
    store, project = place(tmp_path / "data", "folder")
    gone = next(row for row in store.images(project) if row.file_name == "7.png")
    (tmp_path / "data" / "files" / gone.digest[:2] / gone.digest).unlink()
    result = on_cluster(cluster)
    assert result.returncode == 0, result.stderr
    assert "20 of 20 images done" in result.stdout and "1 failed" in result.stdout
    assert "7.png" in result.stderr and "this file of the project is gone" in result.stderr
    assert proposed(store, project) == Counter({fact: 1 for fact in alone if fact[0] != "7.png"})
    store.close()
