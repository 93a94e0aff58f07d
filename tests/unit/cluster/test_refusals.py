"""What a command line says of a cluster that cannot be used, before anything is read or written."""

import socket

import pytest

from maskrcnn_core.cli.cluster import places_of, predictor_for
from maskrcnn_core.cluster.joining import Joined, check_address
from maskrcnn_core.cluster.pool import device_on, pool_on
from maskrcnn_core.common import extras
from maskrcnn_core.errors import InputError
from tests.builders.cli import invoke
from tests.builders.core import make_model

TWO = Joined(nodes=2, cpus=3, gpus=0, is_client=False)
GPUS = Joined(nodes=2, cpus=8, gpus=4, is_client=False)


@pytest.fixture
def silent():
    """An address at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return f"127.0.0.1:{port}"


def test_without_ray_its_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "ray" else object())
    result = invoke("annotate", tmp_path, "--cluster", "auto")
    assert result.exit_code == 2
    assert result.stderr == (
        '--cluster needs packages that are not installed (ray): pip install "maskdesk[ray]"\n'
    )


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_at_which_nothing_answers_is_refused_at_once(silent, scheme, tmp_path):
    result = invoke("annotate", tmp_path, "--cluster", scheme + silent)
    assert result.exit_code == 2 and not list(tmp_path.iterdir())
    assert result.stderr.startswith(f"--cluster: no Ray answers at {scheme}{silent} (")


@pytest.mark.parametrize("address", ["nonsense", "host:", ":1", "host:x", "http://host:80/", ""])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(InputError, match=r"expected auto, ray://HOST:PORT or HOST:PORT"):
        check_address(address)


def test_the_variable_of_ray_is_what_auto_means(silent, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", silent)
    with pytest.raises(InputError, match=f"no Ray answers at {silent}"):
        check_address("auto")


def test_a_cluster_that_was_killed_is_not_waited_for(silent, monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert check_address("auto") == ""
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(silent)
    assert check_address("auto") == ""
    with socket.create_server(("127.0.0.1", 0)) as there:
        address = f"127.0.0.1:{there.getsockname()[1]}"
        (tmp_path / "ray" / "ray_current_cluster").write_text(address)
        assert check_address("auto") == address


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["annotate", "x", "--cluster", "auto", "--workers", "0"], "--workers 0: expected auto, or 1 to 256"),
        (["annotate", "x", "--cluster", "auto", "--batch-size", "2"], "--batch-size: expected none with"),
        (["annotate", "x", "--out", "s3://desk/a.json"], "an address: expected a folder for shards"),
        (["annotate", "x", "--cluster", "auto", "--masks", "m"], "expected no folder of pictures"),
    ],
)
def test_options_that_make_no_sense_together_are_refused(arguments, said, monkeypatch):
    monkeypatch.setattr("maskrcnn_core.cli.cluster.check_address", lambda _: "")
    result = invoke(*arguments)
    assert result.exit_code == 2 and said in result.stderr


@pytest.mark.parametrize(
    ("out", "shards", "places"),
    [
        ("s3://desk/out", None, ("s3://desk/out/annotations.json", "s3://desk/out/shards")),
        ("s3://desk/out/", "s3://desk/s", ("s3://desk/out/annotations.json", "s3://desk/s")),
        ("s3://desk/a.json", None, ("s3://desk/a.json", "s3://desk/a.json.shards")),
        ("a.json", None, ("a.json", "a.json.shards")),
    ],
)
def test_shards_have_their_place_beside_the_file(out, shards, places):
    assert places_of(out, shards) == places


def test_workers_run_on_what_the_cluster_has():
    assert (device_on(TWO, "auto"), device_on(GPUS, "auto"), device_on(GPUS, "cpu")) == ("cpu", "cuda", "cpu")
    with pytest.raises(InputError, match="expected auto, cpu or cuda with --cluster, got 'mps'"):
        device_on(TWO, "mps")


@pytest.mark.parametrize(
    ("cluster", "device", "pieces", "workers", "first", "most"),
    [
        (TWO, "cpu", 10, None, 3, 10),
        (TWO, "cpu", 2, None, 2, 2),
        (TWO, "cpu", 10, 1, 1, 1),
        (GPUS, "cuda", 10, None, 4, 10),
        (TWO, "cuda", 10, 5, 1, 5),  # GPUs may come
    ],
)
def test_a_pool_begins_with_what_is_there_and_may_grow(cluster, device, pieces, workers, first, most):
    pool = pool_on(cluster, object, (), device=device, pieces=pieces, workers=workers)
    assert (pool.first, pool.most) == (first, most)


def test_an_engine_that_cannot_be_compared_here_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match="engine cuda: it has to be compared"):
        predictor_for(GPUS, make_model(), "auto", "cuda", count=9, quiet=True)
    predictor, device = predictor_for(GPUS, make_model(), "auto", "auto", count=9, quiet=True)
    assert device == "cuda" and predictor.engine.spec.key == "exact"
