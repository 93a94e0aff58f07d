import io
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image

from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.reading import encode_jpeg, encode_png
from maskrcnn_core.inference.device_queue import device_queue_for
from maskrcnn_core.inference.predictor import Failure, Predictor
from maskrcnn_core.workspace import Workspace
from tests.builders.core import make_image, make_model
from tests.builders.workspaces import finish


def png(seed=0, height=60, width=80):
    return encode_png(make_image(height, width, seed))


@pytest.fixture(scope="module")
def predictor():
    return Predictor(make_model(), "cpu")


@pytest.fixture
def ran(predictor):
    workspace = Workspace()
    digests = workspace.add("a.png", png()).added + workspace.add("b.png", png(1)).added
    workspace.start(predictor, Thresholds())
    finish(workspace)
    return workspace, digests


def test_an_image_is_kept_once_by_its_content():
    workspace = Workspace()
    assert len(workspace.add("a.png", png()).added) == 1
    again = workspace.add("copy of a.png", png())
    assert (again.added, again.known) == ((), ("copy of a.png",))
    assert len(workspace.images) == 1


def test_a_bad_file_is_refused_and_the_others_stay():
    workspace = Workspace()
    report = (
        workspace.add("a.png", png()) + workspace.add("bad.png", b"nothing") + workspace.add("b.png", png(1))
    )
    assert len(report.added) == 2
    assert report.refused[0].startswith("bad.png: ")


def test_a_zip_is_told_by_content_and_read_member_by_member():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("x/a.png", png())
        archive.writestr("x/bad.png", b"\x89PNG\r\n\x1a\n broken")
        archive.writestr("readme.txt", b"hello")
    report = Workspace().add("photos.jpg", target.getvalue())
    assert len(report.added) == 1
    assert len(report.refused) == 2


def test_a_broken_zip_is_one_sentence():
    report = Workspace().add("photos.zip", b"PK\x03\x04 and no more")
    assert (len(report.refused), report.added) == (1, ())


def test_an_empty_zip_is_told():
    report = Workspace().add("empty.zip", b"PK\x05\x06" + bytes(18))
    assert report.refused == ("empty.zip: it contains no images",)


@pytest.mark.parametrize("mask_threshold", [0.05, 0.5, 0.95])
def test_the_state_counts_what_is_shown(ran, predictor, mask_threshold):
    workspace, digests = ran
    thresholds = Thresholds(SCORE_FLOOR, mask_threshold=mask_threshold)
    for digest in digests:
        count = len(workspace.shown(digest, predictor, thresholds).kept)
        text = workspace.state_of(digest, predictor, thresholds).text
        assert text == (f"{count} found" if count else "none found")


def test_the_image_that_is_looked_at_is_put_first(predictor, monkeypatch):
    workspace = Workspace()
    digests = [workspace.add(f"{n}.png", png(n)).added[0] for n in range(4)]
    hurried = []
    monkeypatch.setattr(
        "maskrcnn_core.inference.device_queue.QueuedRun.hurry", lambda queued: hurried.append(queued)
    )
    workspace.start(predictor, Thresholds())
    workspace.start(predictor, Thresholds(), first=digests[3])
    assert hurried == [workspace._queued[digests[3], predictor.model.digest]]
    finish(workspace)


def test_pixels_and_picture_are_upright_and_whole():
    workspace = Workspace()
    digest = workspace.add("a.png", png()).added[0]
    assert np.array_equal(workspace.pixels(digest), make_image(60, 80))
    assert Image.open(io.BytesIO(workspace.picture(digest).whole)).size == (80, 60)


def test_a_very_large_picture_keeps_its_small_copy_until_its_pixels_change():
    workspace = Workspace()
    digest = workspace.add("a.png", png(height=3300, width=5000)).added[0]
    picture = workspace.picture(digest)
    assert Image.open(io.BytesIO(picture.small)).size == (2500, 1650)
    assert workspace.picture(digest) == picture
    workspace._files.forget_made(digest)
    assert list(workspace._folder.glob("*.jpg")) == []


def test_the_picture_of_a_very_large_jpeg_is_made_as_it_is_opened(monkeypatch):
    workspace = Workspace()
    ramp = np.broadcast_to((np.arange(5000) * 255 // 5000).astype(np.uint8)[None, :, None], (3300, 5000, 3))
    digest = workspace.add("a.jpg", encode_jpeg(np.ascontiguousarray(ramp))).added[0]
    monkeypatch.setattr("maskrcnn_core.workspace.workspace.browser_picture", None)
    assert Image.open(io.BytesIO(workspace.picture(digest).small)).size == (2500, 1650)


def test_a_file_that_is_no_image_is_refused_once():
    report = Workspace().add("a.jpg", b"no image")
    assert report.added == () and len(report.refused) == 1


def test_images_leave_no_file_behind():
    workspace = Workspace()
    digest = workspace.add("a.png", png()).added[0]
    workspace.picture(digest)
    folder = workspace._folder
    workspace.remove([digest, "unknown"])
    assert [p for p in folder.iterdir() if p.is_file()] == []
    del workspace
    assert not folder.exists()


def test_states_tell_found_none_failed_and_not_run_apart(predictor):
    workspace = Workspace()
    digest = workspace.add("a.png", png()).added[0]
    thin = workspace.add("thin.png", png(0, 1, 4000)).added[0]
    assert workspace.state_of(digest, predictor, Thresholds()).kind == "not run"
    assert workspace.start(predictor, Thresholds()) == 2
    assert workspace.start(predictor, Thresholds()) == 0, "nothing is asked twice"
    finish(workspace)
    assert workspace.state_of(digest, predictor, Thresholds(SCORE_FLOOR)).kind == "found"
    assert workspace.state_of(digest, predictor, Thresholds(1.0)).kind == "none"
    failed = workspace.state_of(thin, predictor, Thresholds())
    assert failed.kind == "failed" and not failed.can_run_again
    assert failed.brief == "failed", "a list has no room for more"
    assert "too thin" in failed.text
    assert workspace.shown(thin, predictor, Thresholds()) is None


def fails_with(predictor, monkeypatch, outcome):
    """A workspace with one image whose run ended so: an error that was raised, or a failure."""

    def run(images, thresholds):
        if isinstance(outcome, Exception):
            raise outcome
        return [outcome]

    workspace = Workspace()
    digest = workspace.add("a.png", png()).added[0]
    with monkeypatch.context() as patch:
        patch.setattr(predictor, "run", run)
        workspace.start(predictor, Thresholds())
        finish(workspace)
    assert workspace.state_of(digest, predictor, Thresholds()).kind == "failed"
    return workspace, digest


@pytest.mark.parametrize(
    "outcome",
    [Failure("out of memory"), Failure("the network stopped: a cable"), OSError("cannot read")],
    ids=str,
)
def test_failures_that_may_pass_are_asked_again_on_demand(predictor, monkeypatch, outcome):
    workspace, digest = fails_with(predictor, monkeypatch, outcome)
    assert workspace.state_of(digest, predictor, Thresholds()).can_run_again
    workspace.retry(predictor.model.digest)
    assert workspace.start(predictor, Thresholds()) == 1
    finish(workspace)
    assert workspace.state_of(digest, predictor, Thresholds(SCORE_FLOOR)).kind == "found"


@pytest.mark.parametrize(
    "outcome", [Failure("too thin", is_final=True), ImageError("a.png: is no image")], ids=str
)
def test_what_can_never_succeed_is_not_asked_again(predictor, monkeypatch, outcome):
    workspace, digest = fails_with(predictor, monkeypatch, outcome)
    before = workspace.state_of(digest, predictor, Thresholds())
    assert not before.can_run_again
    workspace.retry(predictor.model.digest)
    assert workspace.start(predictor, Thresholds()) == 0
    assert workspace.state_of(digest, predictor, Thresholds()) == before


@pytest.mark.parametrize("score", [0.05, 0.4, 0.8, 0.99])
def test_what_is_shown_is_what_the_thresholds_keep(ran, predictor, score):
    workspace, (digest, _) = ran
    thresholds = Thresholds(score, 0.6)
    shown = workspace.shown(digest, predictor, thresholds)
    run = workspace.run_of(digest, predictor)
    detections = predictor.detections(run, thresholds)
    solid = [row for row, mask in zip(detections.rows.tolist(), detections.masks(), strict=True) if mask.area]
    assert [i.row for i in shown.kept] == solid
    assert all(i.score <= score for i in shown.instances[shown.count :])
    scores = [i.score for i in shown.instances]
    assert scores == sorted(scores, reverse=True)


def test_an_export_holds_exactly_what_is_shown(ran, predictor):
    workspace, (first, second) = ran
    thresholds = Thresholds(0.3)
    shown = workspace.shown(second, predictor, thresholds)
    hidden = {shown.kept[0].category_id}
    image = workspace.annotated(second, predictor, thresholds, hidden)
    assert [i.row for i in image.instances] == [i.row for i in shown.kept if i.category_id not in hidden]
    assert {i.image_id for i in image.instances} <= {image.record.id} == {2}
    assert image.record.digest == second
    assert workspace.number_of(first) == 1


def test_two_workspaces_share_nothing():
    one, other = Workspace(), Workspace()
    one.add("a.png", png())
    assert other.images == {}
    assert one.client != other.client


def test_an_answer_from_elsewhere_is_taken_on_and_the_network_not_asked_again(predictor):
    workspace = Workspace()
    (digest,) = workspace.add("a.png", png()).added
    (run,) = predictor.run([workspace.pixels(digest)], Thresholds())
    workspace.adopt(digest, predictor, run)
    assert workspace.start(predictor, Thresholds()) == 0
    assert workspace.run_of(digest, predictor) is run
    (other,) = predictor.run([workspace.pixels(digest)], Thresholds())
    workspace.adopt(digest, predictor, other)
    assert workspace.run_of(digest, predictor) is run, "the first one stays: masks hang on it"


def test_whoever_waits_hears_of_each_answer_and_knows_in_how_long(ran, predictor):
    workspace = Workspace()  # the network has answered another one's, so how long it takes is known
    heard, gate = [], threading.Event()
    queue = device_queue_for(str(predictor.device))
    queue.submit("holder", lambda: gate.wait(10))
    digests = workspace.add("a.png", png()).added + workspace.add("b.png", png(1)).added
    workspace.on_done = heard.append
    assert workspace.seconds_until(digests, predictor) is None, "nothing was asked"
    workspace.start(predictor, Thresholds(), first=digests[1])
    one, both = (workspace.seconds_until(some, predictor) for some in (digests[1:], digests))
    assert 0 < one < both
    gate.set()
    finish(workspace)
    for _ in range(1000):
        if len(heard) == 2:
            break
        threading.Event().wait(0.01)
    assert heard == [digests[1], digests[0]]
    assert workspace.seconds_until(digests, predictor) is None, "all is there"
