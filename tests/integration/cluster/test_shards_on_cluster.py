"""``annotate --cluster`` on a real Ray of two nodes, with images and shards on a real S3 server."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec

import pytest

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.shards.plan import make_plan
from maskrcnn_core.shards.sources import Sources
from maskrcnn_core.shards.stores import Folder
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.builders.cli import invoke
from tests.builders.cluster import put_text, two_nodes
from tests.needs import lacks

IMAGES, SIZE = 15, 2
SHARDS = 8
PHOTOS = "s3://desk/photos"
SECONDS = 120


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


CLIENT_PORT = free_port()


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
            files.pipe_file(f"desk/photos/x{seed}.png", encode_png(draw_scene(seed).pixels[:96, :128].copy()))
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
    result = invoke(*given(folder / "a.json"), "--shards", folder / "shards")
    assert result.exit_code == 0, result.stderr
    return (folder / "a.json").read_bytes()


def given(out):
    return ["annotate", PHOTOS, "--out", out, "--model", "starter", "--shard-size", SIZE, "--quiet"]


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
    assert "broken.png: expected an image" in result.stderr, "one image's failure ends nothing"
    assert "joined a cluster of 2 nodes with 2 CPUs" in result.stderr
    assert f"14 of {IMAGES} images annotated" in result.stdout and "1 failed" in result.stdout
    assert files.cat_file("desk/client.json") == expected
    assert files.exists("desk/client.json.shards/plan.json")


def test_a_shard_that_kills_its_workers_is_given_up_and_the_others_are_done(desk, tmp_path):
    cluster, files = desk
    plan_in("s3://desk/dying")
    running = driver(cluster, "s3://desk/dying", tmp_path, "DyingWorker")
    said, _ = running.communicate(timeout=SECONDS)
    assert "1 shard was given up: shard 000001: 4 workers in a row died of it" in said
    done = [name for name in files.ls("desk/dying", detail=False) if name.endswith(".done.json")]
    assert len(done) == SHARDS - 1
