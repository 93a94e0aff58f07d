"""The service as people start it: a process of its own on loopback, with a real model and real photos."""

import json
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from tests.builders.cli import run
from tests.builders.service import files, host_of, start_service, wait_until_ready
from tests.shared_data import shared_path

TOKEN = "a-token-of-somebody"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def photos():
    folder = shared_path("data", "coco_val2017", "images")
    return sorted(folder.iterdir())[:6]


@pytest.fixture(scope="module")
def hosts(photos):
    """A host that is allowed, with its photos, and another one."""
    with host_of({f"/{photo.name}": photo.read_bytes() for photo in photos}) as (one, asked):
        yield one, asked


@contextmanager
def serving(log, *more):
    options = ("--model", "photos", "--device", "cpu", *more)
    process, address = start_service(*options, log=log, environment={"MASKDESK_TOKEN": TOKEN})
    try:
        wait_until_ready(process, address, log)
        with httpx.Client(base_url=address, headers=BEARER, timeout=120) as client:
            yield client
        assert process.poll() is None, log.read_text()
        process.send_signal(signal.SIGINT)
        process.wait(60)
        assert "Traceback" not in log.read_text(), log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def service(tmp_path_factory, hosts):
    with serving(tmp_path_factory.mktemp("service") / "log.txt", "--allow-host", hosts[0]) as client:
        yield client


def written(out, photos, *options):
    """What ``annotate`` writes for photos."""
    code, _, said = run("annotate", *photos, "--model", "photos", "--device", "cpu", "--out", out, *options)
    assert code == 0, said
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def annotated(photos, tmp_path_factory):
    """The photos seen once, as a service does whose answers are waited for."""
    return written(tmp_path_factory.mktemp("out") / "annotations.json", photos, "--look-closer", "off")


def test_uploads_give_what_annotate_writes(service, photos, annotated):
    sent = files(*((photo.name, photo.read_bytes()) for photo in photos))
    answer = service.post("/v1/annotate", files=sent)
    assert answer.status_code == 200, answer.text
    assert answer.json()["result"] == annotated
    assert len(annotated["annotations"]) > 10


def test_asked_to_look_closer_it_gives_what_annotate_does_by_itself(photos, tmp_path):
    photo = photos[0]
    with serving(tmp_path / "log.txt", "--look-closer", "auto") as client:
        answer = client.post("/v1/annotate", files=files((photo.name, photo.read_bytes())))
    closer = written(tmp_path / "closer.json", [photo])
    assert answer.json()["result"] == closer
    first = written(tmp_path / "first.json", [photo], "--look-closer", "off")
    assert closer["annotations"] != first["annotations"]


def test_addresses_give_the_same(service, hosts, photos, annotated):
    host, asked = hosts
    urls = [f"http://{host}/{photo.name}" for photo in photos]
    answer = service.post("/v1/annotate", json={"urls": urls})
    assert answer.json()["result"] == annotated
    assert sorted(asked) == sorted(f"/{photo.name}" for photo in photos)


def test_a_host_that_was_not_allowed_is_not_asked(service, photos):
    with host_of({"/a.jpg": photos[0].read_bytes()}) as (host, asked):
        answer = service.post("/v1/annotate", json={"urls": [f"http://{host}/a.jpg"]})
    assert answer.status_code == 422 and asked == []


def test_the_token_is_needed(service, photos):
    sent = files((photos[0].name, photos[0].read_bytes()))
    for headers in ({"Authorization": ""}, {"Authorization": f"Bearer {TOKEN[:-1]}"}):
        assert service.post("/v1/annotate", files=sent, headers=headers).status_code == 401


def test_boxes_of_what_was_found_are_seen_again(service, photos, annotated):
    (record,) = [image for image in annotated["images"] if image["file_name"] == photos[0].name]
    rows = [row for row in annotated["annotations"] if row["image_id"] == record["id"]][:3]
    boxes = [[x, y, x + w, y + h] for x, y, w, h in (row["bbox"] for row in rows)]
    sent = files((photos[0].name, photos[0].read_bytes()), field="image")
    answer = service.post("/v1/box-to-mask", files=sent, data={"boxes": json.dumps(boxes)})
    assert answer.status_code == 200, answer.text
    best = answer.json()["objects"][0]
    assert best["category"]["id"] == rows[0]["category_id"] and best["area"] > 0


def test_fifty_clients_at_once(service, photos):
    def one(number):
        photo = photos[number % len(photos)]
        with httpx.Client(base_url=service.base_url, headers=BEARER, timeout=120) as client:
            return client.post("/v1/annotate", files=files((photo.name, photo.read_bytes())))

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(one, range(50)))
    assert {answer.status_code for answer in answers} == {200}
    for number, answer in enumerate(answers):
        assert answer.json()["images"][0]["file_name"] == photos[number % len(photos)].name
    assert service.get("/health").json()["queue"] == 0


def broken_files():
    folder = shared_path("data", "bad_images")
    kinds = (
        "01_fuzz_crashes",
        "02_truncated",
        "03_bombs",
        "04_broken_structure",
        "05_unsupported_or_wrong_type",
    )
    return [file for kind in kinds for file in sorted((folder / kind).iterdir()) if file.is_file()]


def test_broken_files_are_refused_each_with_a_sentence_and_the_server_stays(service, photos):
    """Those that the library decodes after all are annotated; none is anything else."""
    refused = 0
    for file in broken_files():
        answer = service.post("/v1/annotate", files=files((file.name, file.read_bytes())))
        assert answer.status_code in (200, 422), f"{file.name}: {answer.status_code} {answer.text[:300]}"
        if answer.status_code == 422:
            refused += 1
            sentence = answer.json()["error"]
            assert sentence.startswith(f"{file.name}: ") and "\n" not in sentence
            assert not re.search(r"Traceback|/site-packages|File \"", sentence)
    assert refused > 50
    good = service.post("/v1/annotate", files=files((photos[0].name, photos[0].read_bytes())))
    assert good.status_code == 200


def test_another_address_without_a_token_is_refused(tmp_path):
    log = tmp_path / "log.txt"
    process, _ = start_service("--address", "0.0.0.0", log=log)
    assert process.wait(120) == 2
    assert "MASKDESK_TOKEN" in log.read_text() and "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--model", "nothing"), "nothing"),
        (("--allow-host", "http://x"), "allowed hosts"),
        (("--engine", "x"), "x"),
    ],
)
def test_what_cannot_be_served_ends_with_a_sentence(options, said, tmp_path):
    log = tmp_path / "log.txt"
    process, _ = start_service(*options, log=log)
    assert process.wait(120) == 2
    assert said in log.read_text() and "Traceback" not in log.read_text()


def test_a_model_that_cannot_be_loaded_ends_the_server(tmp_path):
    bad, log = tmp_path / "own.safetensors", tmp_path / "log.txt"
    bad.write_bytes(b"no weights")
    (tmp_path / "names.txt").write_text("apple\n")
    process, _ = start_service("--model", bad, "--names", tmp_path / "names.txt", log=log)
    try:
        assert process.wait(120) in (1, 2)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert "own.safetensors" in log.read_text() and "Traceback" not in log.read_text()
