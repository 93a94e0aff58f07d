"""A workspace's images in a folder that outlives it: reloads, restarts, closing and taking that back."""

import io
import json
import os
import time

import numpy as np
import pytest
from PIL import Image

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.workspace import Workspace
from maskrcnn_core.workspace.image_files import remove_unused
from tests.builders.core import make_image, make_model


def png(seed=0, height=60, width=80):
    return encode_png(make_image(height, width, seed))


@pytest.fixture(scope="module")
def predictor():
    return Predictor(make_model(), "cpu")


def opened(folder, *seeds):
    workspace = Workspace()
    report = workspace.keep_in(folder)
    for seed in seeds:
        report += workspace.add(f"{seed}.png", png(seed))
    return workspace, report


def run(workspace, predictor):
    workspace.start(predictor, Thresholds())
    for queued in workspace._queued.values():
        assert queued.wait(60)


def test_another_workspace_opens_what_was_open(tmp_path, predictor):
    first, _ = opened(tmp_path / "a", 3, 1, 2)
    run(first, predictor)
    shown = {d: first.shown(d, predictor, Thresholds(0.05)) for d in first.images}
    images = dict(first.images)
    del first
    again, report = opened(tmp_path / "a")
    assert again.is_kept
    assert (list(again.images.items()), report.added) == (list(images.items()), tuple(images))
    assert [image.name for image in again.images.values()] == ["3.png", "1.png", "2.png"]
    assert again.start(predictor, Thresholds()) == 0, "nothing is run twice"
    assert {d: again.shown(d, predictor, Thresholds(0.05)) for d in images} == shown
    assert np.array_equal(again.pixels(list(images)[1]), make_image(60, 80, 1))


def test_what_is_open_already_comes_behind_what_was(tmp_path):
    first, _ = opened(tmp_path / "a", 1, 2)
    first.remove([next(iter(first.images))])
    late = Workspace()
    for seed in (4, 2, 5):
        late.add(f"late {seed}.png", png(seed))
    report = late.keep_in(tmp_path / "a")
    assert [image.name for image in late.images.values()] == ["2.png", "late 4.png", "late 5.png"]
    assert report.added == (), "the session had it, too"
    for digest in late.images:
        assert late.original(digest)
    assert [i.name for i in opened(tmp_path / "a")[0].images.values()] == [
        "2.png",
        "late 4.png",
        "late 5.png",
    ]


@pytest.mark.parametrize("is_kept", [True, False])
def test_closing_is_taken_back_in_order_with_what_the_network_said(tmp_path, predictor, is_kept):
    workspace = opened(tmp_path / "a")[0] if is_kept else Workspace()
    digests = [workspace.add(f"{n}.png", png(n)).added[0] for n in range(4)]
    run(workspace, predictor)
    workspace.remove([digests[0]])
    workspace.remove([digests[1], digests[3], "unknown"])
    assert (list(workspace.images), workspace.closed_last) == ([digests[2]], ["1.png", "3.png"])
    assert workspace.reopen().added == (digests[1], digests[3])
    assert list(workspace.images) == digests[1:]
    assert workspace.closed_last == ["0.png"]
    assert workspace.reopen().added == (digests[0],)
    assert list(workspace.images) == digests
    assert workspace.start(predictor, Thresholds()) == 0
    assert (workspace.closed_last, workspace.reopen().added) == ([], ())


def test_an_image_that_was_opened_anew_is_not_there_twice(tmp_path):
    workspace, _ = opened(tmp_path / "a", 1, 2)
    one, two = workspace.images
    workspace.remove([one, two])
    workspace.add("again.png", png(1))
    assert workspace.reopen().added == (two,)
    assert {image.name for image in workspace.images.values()} == {"again.png", "2.png"}


def test_closed_images_go_when_asked_and_after_a_day(tmp_path):
    workspace, _ = opened(tmp_path / "a", 1, 2)
    one, two = workspace.images
    workspace.remove([one])
    workspace.remove_closed()
    assert workspace.closed_last == []
    workspace.remove([two])
    (place,) = (tmp_path / "a" / "closed").iterdir()
    place.rename(place.with_name(f"{int((time.time() - 90_000) * 1e9):020d}"))
    digest = workspace.add("3.png", png(3)).added[0]
    workspace.remove([digest])
    assert workspace.closed_last == ["3.png"]
    workspace.reopen()
    assert workspace.closed_last == [], "the one of yesterday has gone"


def test_dim_images_stay_as_they_were_shown(tmp_path):
    first, _ = opened(tmp_path / "a")
    dim = io.BytesIO()
    Image.fromarray(make_image(60, 80, 1)[..., 0].astype(np.uint16) * 4).save(dim, "PNG")
    digest = first.add("dim.png", dim.getvalue()).added[0]
    first.set_stretch("off")
    dark = first.pixels(digest)
    again = Workspace()
    again.keep_in(tmp_path / "a", "off")
    assert np.array_equal(again.pixels(digest), dark)
    assert again.images[digest] == first.images[digest]


@pytest.mark.parametrize(
    "break_it",
    [
        lambda row, image: image.unlink(),
        lambda row, image: row.write_text("{"),
        lambda row, image: row.write_text(json.dumps({**json.loads(row.read_text()), "width": 0})),
        lambda row, image: row.write_text(json.dumps({**json.loads(row.read_text()), "digest": "../../x"})),
    ],
    ids=["no image", "no JSON", "no width", "another digest"],
)
def test_an_image_that_cannot_be_read_is_told_and_the_others_open(tmp_path, break_it):
    first, _ = opened(tmp_path / "a", 1, 2)
    one, two = first.images
    break_it(tmp_path / "a" / f"{one}.json", tmp_path / "a" / one)
    again, report = opened(tmp_path / "a")
    assert (tuple(again.images), report.added, len(report.refused)) == ((two,), (two,), 1)
    assert one[:12] in report.refused[0]


def test_a_damaged_image_is_named_and_never_shown(tmp_path):
    first, _ = opened(tmp_path / "a", 1)
    (digest,) = first.images
    data = bytearray((tmp_path / "a" / digest).read_bytes())
    data[-20] ^= 1
    (tmp_path / "a" / digest).write_bytes(data)
    again, _ = opened(tmp_path / "a")
    with pytest.raises(ImageError, match=r"1\.png: its file was damaged"):
        again.pixels(digest)


def test_a_damaged_answer_is_asked_for_again(tmp_path, predictor):
    first, _ = opened(tmp_path / "a", 1)
    run(first, predictor)
    (file,) = (tmp_path / "a").glob("*.run")
    file.write_bytes(file.read_bytes()[:-100])
    again, _ = opened(tmp_path / "a")
    assert again.start(predictor, Thresholds()) == 1
    run(again, predictor)


def test_folders_that_nobody_opens_go(tmp_path):
    for name in ("old", "open", "new"):
        opened(tmp_path / name, 1)
    for name in ("old", "open"):
        os.utime(tmp_path / name / "used", (time.time() - 31 * 86_400,) * 2)
    assert remove_unused(tmp_path, days=30, but=[tmp_path / "open"]) == 1
    assert sorted(place.name for place in tmp_path.iterdir()) == ["new", "open"]
    assert remove_unused(tmp_path / "none", days=30) == 0


def test_an_image_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    workspace, _ = opened(tmp_path / "a", 1)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maskrcnn_core.workspace.image_files.replace_file", full)
    report = workspace.add("2.png", png(2))
    assert report.refused == ("2.png: cannot be kept here: No space left on device",)
    assert len(workspace.images) == 1
