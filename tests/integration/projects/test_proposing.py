"""A model over a project: nothing that people decided is touched, nothing is done twice, nothing is lost."""

from dataclasses import replace

import numpy as np
import pytest

from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.detection.candidates import SCORE_FLOOR, Thresholds
from maskrcnn_core.detection.packed_runs import pack_run, unpack_run
from maskrcnn_core.errors import InputError, StoreError
from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.images.reading import decode_image, encode_png
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.projects.exchange.images_in import import_images
from maskrcnn_core.projects.new_rows import new_instance
from maskrcnn_core.projects.proposals.category_matching import category_mapping
from maskrcnn_core.projects.proposals.proposing import offered_before, propose
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, draw_scene
from tests.builders.projects import change

SCENES = {f"{n}.png": draw_scene(200_000 + n) for n in range(3)}
PICTURES = {name: encode_png(scene.pixels) for name, scene in SCENES.items()}
THRESHOLDS = Thresholds(0.5, 0.5, 500)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(get_model("shapes"), "cpu")


@pytest.fixture
def project(store):
    project = store.create_project("Shapes", "ann", categories=SCENE_CATEGORIES).id
    import_images(store, project, "ann", PICTURES.items())
    return project


@pytest.fixture
def mapping(store, project, predictor):
    return category_mapping(store, project, predictor)


def facts(rows):
    return [(row.image_id, row.category_id, row.counts, row.score) for row in rows]


def test_a_closer_look_offers_again_from_kept_runs_with_finer_masks(store, project, predictor, mapping):
    plain = propose(store, project, predictor, THRESHOLDS, mapping)
    before = store.instances(project)
    closer = predictor.looking_closer()
    assert offered_before(store, project, closer, THRESHOLDS, mapping) == (0, 0), "not so has been offered"
    mended = propose(store, project, closer, THRESHOLDS, mapping)
    after = store.instances(project)
    assert (plain.ran, mended.ran) == (3, 0), "the network does not run over whole images again"
    assert mended.offered == 3 and mended.replaced > 0.5 * len(before)
    assert sorted(r.score for r in after) == sorted(r.score for r in before)
    truth = {row.id: SCENES[row.file_name].masks for row in store.images(project)}

    def overlap(rows):
        return np.mean([max(mask_iou(r.mask, m) for m in truth[r.image_id]) for r in rows])

    assert overlap(after) >= overlap(before) - 0.002
    again = propose(store, project, closer, THRESHOLDS, mapping)
    assert (again.offered, again.proposed) == (0, 0)
    assert offered_before(store, project, closer, THRESHOLDS, mapping)[0] == len(after)


def test_a_packed_run_gives_the_same_at_every_threshold(predictor):
    pixels = SCENES["0.png"].pixels
    run = predictor.run([pixels])[0]
    again = unpack_run(pack_run(run))
    for name in ("boxes", "labels", "scores"):
        assert np.array_equal(getattr(again.candidates, name), getattr(run.candidates, name))
    for score in (SCORE_FLOOR, 0.3, 0.9):
        for nms in (0.2, 0.5, 0.8):
            thresholds = Thresholds(score, nms, 500)
            one, other = (predictor.detections(r, thresholds, pixels) for r in (run, again))
            assert np.array_equal(one.mask_probs, other.mask_probs) and one.masks() == other.masks()
    assert len(pack_run(run)) < 400_000


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"x" * 99])
def test_what_is_no_packed_run_is_told(data):
    with pytest.raises(StoreError, match="candidates: not what MaskDesk wrote"):
        unpack_run(data)


def test_every_image_gets_what_the_model_finds(store, project, predictor, mapping):
    seen = []
    report = propose(store, project, predictor, THRESHOLDS, mapping, on_image=lambda *at: seen.append(at))
    assert (report.images, report.offered, report.decided) == (3, 3, 0)
    assert not report.failed and not report.was_cancelled
    assert seen == [(n, 3, f"{n - 1}.png") for n in (1, 2, 3)]
    rows = store.instances(project)
    assert len(rows) == report.proposed > 10
    assert {(row.status, row.source) for row in rows} == {("proposed", "shapes")}
    names = {row.id: row.name for row in store.categories(project)}
    for image in store.images(project):
        pixels = decode_image(PICTURES[image.file_name], "a").pixels
        found = predictor.predict([pixels], THRESHOLDS)[0]
        label_map = predictor.model.label_map
        wanted = [
            (label_map.category(int(label)).name, mask)
            for label, mask in zip(found.labels, found.masks(), strict=True)
            if int(label) in mapping
        ]
        mine = [(names[row.category_id], row.mask) for row in rows if row.image_id == image.id]
        assert mine == wanted


def test_running_again_does_nothing_twice(store, project, predictor, mapping):
    propose(store, project, predictor, THRESHOLDS, mapping)
    before, lines = store.instances(project), len(store.journal(project))
    report = propose(store, project, predictor, THRESHOLDS, mapping)
    assert (report.images, report.offered, report.proposed) == (3, 0, 0)
    assert store.instances(project) == before and len(store.journal(project)) == lines


def test_a_cancelled_run_goes_on_and_ends_as_one_that_nobody_disturbed(store, project, predictor, mapping):
    asked = iter([False, True])
    report = propose(store, project, predictor, THRESHOLDS, mapping, cancelled=lambda: next(asked))
    assert report.was_cancelled and report.offered == 1
    first = {row.image_id for row in store.instances(project)}
    assert len(first) == 1
    report = propose(store, project, predictor, THRESHOLDS, mapping)
    assert (report.images, report.offered) == (3, 2)
    other = store.create_project("Other", "ann", categories=SCENE_CATEGORIES).id
    import_images(store, other, "ann", PICTURES.items())
    propose(store, other, predictor, THRESHOLDS, category_mapping(store, other, predictor))
    assert [f[2:] for f in facts(store.instances(other))] == [f[2:] for f in facts(store.instances(project))]


def test_what_people_decided_stays_and_only_what_is_new_is_offered(store, project, predictor, mapping):
    propose(store, project, predictor, THRESHOLDS, mapping)
    image = store.images(project)[0]
    accepted, rejected, open_ = store.instances(project, image_id=image.id)[:3]
    store.decide(
        project,
        "ann",
        "decide",
        [change(accepted, status="accepted"), change(rejected, status="rejected")],
    )
    drawn = new_instance(image.id, accepted.category_id, 900, open_.mask, source="person", status="accepted")
    store.decide(project, "ann", "draw", [change(open_, gone=True), drawn])
    count = len(store.instances(project, image_id=image.id))
    # Another model: the same network under another digest, which finds the same objects.
    another = Predictor(replace(predictor.model, digest="another"), "cpu")
    report = propose(store, project, another, THRESHOLDS, mapping)
    rows = store.instances(project, image_id=image.id)
    assert report.offered == 3 and report.decided >= 3
    by_id = {row.id: row for row in rows}
    assert by_id[accepted.id].status == "accepted" and by_id[rejected.id].status == "rejected"
    assert [row.status for row in rows if row.source == "person"] == ["accepted"]
    assert len(rows) == count, "open proposals made room for the new ones"
    decided = [row for row in rows if row.status != "proposed"]
    for row in rows:
        if row.status == "proposed":
            assert all(mask_iou(row.mask, other.mask) < 0.5 for other in decided)


def test_an_image_that_cannot_be_read_is_named_and_the_others_are_done(store, project, predictor, mapping):
    digest = store.images(project)[1].digest
    file = store.blobs.folder / digest[:2] / digest
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    report = propose(store, project, predictor, THRESHOLDS, mapping)
    assert report.images == report.offered == 2
    assert (
        len(report.failed) == 1 and report.failed[0].startswith("1.png: ") and "damaged" in report.failed[0]
    )
    file.write_bytes(whole)
    report = propose(store, project, predictor, THRESHOLDS, mapping)
    assert (report.images, report.offered, report.failed) == (3, 1, ())


def test_a_models_offer_is_not_undone_by_a_person(store, project, predictor, mapping):
    propose(store, project, predictor, THRESHOLDS, mapping)
    count = len(store.instances(project))
    store.undo(project, "ann")  # takes back the images
    assert store.images(project) == []
    store.redo(project, "ann")
    assert len(store.instances(project)) == count


def test_what_was_offered_just_so_before_is_counted(store, project, predictor, mapping):
    assert offered_before(store, project, predictor, THRESHOLDS, mapping) == (0, 0)
    count = propose(store, project, predictor, THRESHOLDS, mapping).proposed
    first, second = store.instances(project)[:2]
    store.decide(project, "ann", "accept", [change(first, status="accepted")])
    store.decide(project, "ann", "reject", [change(second, status="rejected")])
    assert offered_before(store, project, predictor, THRESHOLDS, mapping) == (count - 2, 2)
    other = replace(THRESHOLDS, score_threshold=0.2)
    assert offered_before(store, project, predictor, other, mapping) == (0, 0), "it would be offered anew"


def test_labels_are_mapped_by_name_or_as_one_says(store, predictor):
    names = store.create_project("Names", "ann", categories=[Category(4, "Circle"), Category(9, "other")]).id
    circle, other = (row.id for row in store.categories(names))
    assert category_mapping(store, names, predictor) == {1: circle}
    given = {"square": "other", "Triangle": "OTHER", "circle": "Circle"}
    assert category_mapping(store, names, predictor, given) == {2: other, 3: other, 1: circle}
    with pytest.raises(InputError, match="category 'cat': expected one of the model's, circle, square"):
        category_mapping(store, names, predictor, {"cat": "other"})
    with pytest.raises(InputError, match="category 'cat': expected one of the project's, circle, other"):
        category_mapping(store, names, predictor, {"circle": "cat"})
    none = store.create_project("None", "ann", categories=[Category(1, "cell")]).id
    with pytest.raises(InputError, match=r"none of the project's \(cell\) is one of the model's \(circle"):
        category_mapping(store, none, predictor)
