"""How it works in a real browser: every stage, and what one can play with."""

import html
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
from playwright.sync_api import expect

from maskrcnn_core.dataset.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.evaluation.image_scores import score_image
from maskrcnn_core.evaluation.image_truth import ImageTruth
from maskrcnn_core.explain.against_truth import judge_trace, told_scores
from maskrcnn_core.explain.misses import explain_box
from maskrcnn_core.explain.stages import STAGES
from maskrcnn_core.explain.tracing import trace_network
from maskrcnn_core.formats.coco import coco_document
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.geometry.boxes import box_ious
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.store import Store
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, draw_scene
from tests.browser.chromium import remember_name
from tests.browser.explain_page import NUMBERS, ExplainPage, choose
from tests.shared_data import shared_path

ROOT = Path(__file__).parents[2]
PHOTO = ("data", "photos", "18124840932_e42b3e377c_k.jpg")
PICTURES = {
    "input": ["input"],
    "backbone": ["backbone"],
    "pyramid": ["pyramid"],
    "anchors": ["anchors"],
    "proposals": ["proposals-after suppression"],
    "iou": ["iou"],
    "roi-align": ["roi-window", "roi-crop"],
    "box-head": ["head"],
    "suppression": ["fates"],
    "mask": ["mask-cells", "mask-soft", "mask-hard"],
    "kinds": ["kinds"],
    "truth": ["truth"],
    "missed": ["missed"],
    "weights": [],
}

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(serve_app, folder):
    environment = {"MASKDESK_DATA": str(folder), "MASKDESK_DATABASE": ""}
    weights = shared_path_or_none("weights")
    if weights is not None:
        environment["MASKDESK_WEIGHTS"] = str(weights)
    return serve_app(ROOT / "app.py", environment, cwd=ROOT)


def shared_path_or_none(*parts):
    try:
        return shared_path(*parts)
    except pytest.skip.Exception:
        return None


@pytest.fixture
def explained(page, address):
    remember_name(page)
    return ExplainPage(page, address)


@pytest.fixture(scope="module")
def opened(browser, address):
    """The page with a drawn scene and the shapes model, open for all tests that look at its stages."""
    context = browser.new_context(viewport={"width": 1360, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(60_000)
    errors = []
    page = context.new_page()
    remember_name(context)
    page.on("pageerror", lambda error: errors.append(str(error)))
    explained = ExplainPage(page, address)
    open_scene(explained)
    yield explained
    context.close()
    assert errors == []


@pytest.fixture
def scene(opened):
    """The same, at its first stage."""
    opened.go("input")
    return opened


def open_scene(explained):
    explained.page.get_by_role("button", name="Draw a scene with known objects").click()
    explained.title("input").wait_for(timeout=120_000)


@pytest.fixture(scope="module")
def known():
    """The same scene, traced here."""
    predictor, pixels = Predictor(get_model("shapes")), draw_scene(1).pixels
    return predictor, pixels, trace_network(predictor, pixels)


def look_at_every_stage(explained, *, without=()):
    for stage in STAGES:
        explained.go(stage.key)
        for name in () if stage.key in without else PICTURES[stage.key]:
            assert explained.picture(name).colors() > 3, f"{stage.key}: {name} is blank"
        if not PICTURES[stage.key]:
            explained.page.get_by_text("Blocks, from the image to the masks").wait_for(timeout=60_000)
            explained.page.get_by_text("How many weights").wait_for(timeout=60_000)
        assert explained.errors == [], stage.key
        for sentence in stage.sentences:
            expect(explained.page.get_by_text(sentence)).to_be_visible()


def test_every_stage_has_its_picture_of_a_drawn_scene(scene):
    look_at_every_stage(scene)


def test_every_stage_has_its_picture_of_a_photo(explained):
    explained.page.set_input_files("input[type=file]", shared_path(*PHOTO))
    explained.title("input").wait_for(timeout=120_000)
    look_at_every_stage(explained, without={"truth"})


def test_a_file_tells_what_is_on_a_photo(explained, tmp_path):
    page, photo = explained.page, shared_path(*PHOTO)
    page.set_input_files("input[type=file]", photo)
    explained.title("input").wait_for(timeout=120_000)
    explained.go("truth")
    page.get_by_text("Nobody has said what is on this image").wait_for()
    height, width = read_image(photo).size
    mask = Rle.from_crop(np.ones((height // 2, width // 2), bool), (0, 0), (height, width))
    image = ImageRecord(1, photo.name, width, height)
    other = Dataset((replace(image, file_name="other.jpg"),), (Category(1, "sprocket"),), ())
    known = Dataset((image,), (Category(1, "sprocket"),), (Instance(1, 1, mask),))
    upload = page.get_by_test_id("stFileUploader").filter(has_text="COCO JSON").locator("input")
    for name, dataset in (("other.json", other), ("known.json", known)):
        file = tmp_path / name
        file.write_bytes(dump_json(coco_document(dataset)))
        upload.set_input_files(file)
        if dataset is other:
            page.get_by_text("none of its 1 image is called").wait_for()
    assert explained.picture("truth").colors() > 3
    page.get_by_text("1 object of categories that the model does not know").wait_for()
    page.get_by_role("button", name="Forget this file").click()
    page.get_by_text("Nobody has said what is on this image").wait_for()


def test_what_is_right_and_missed_follows_the_iou(scene, known):
    predictor, pixels, trace = known
    drawn = draw_scene(1)
    names = {category.id: category.name for category in SCENE_CATEGORIES}
    truth = ImageTruth(
        tuple(names[id_] for id_ in drawn.category_ids),
        drawn.masks,
        (False,) * len(drawn.masks),
        tuple(names.values()),
        "as drawn",
    )
    thresholds = Thresholds(0.5, predictor.model.nms_threshold, predictor.model.max_detections)
    scene.go("truth")
    slider = scene.page.get_by_role("slider", name="IoU from which on a detection is right")
    for iou, presses, kind, name in ((0.5, 0, "bbox", "boxes"), (0.95, 9, "segm", "masks")):
        comparison = judge_trace(predictor, trace, thresholds, truth, pixels, kind=kind).comparison
        scene.page.get_by_role("radio", name=name, exact=True).click()
        slider.focus()
        for _ in range(presses):
            scene.page.keyboard.press("ArrowRight")
        scores = score_image(comparison, comparison.at(iou), 0.5)
        scene.page.get_by_text(told_scores(scores)).first.wait_for(timeout=15_000)
        picture, row = scene.picture("truth"), f"{scores.truths} objects, {scores.missed} missed"
        picture.wait_until(lambda row=row, picture=picture: row in picture.legend, row)  # below the sentence
    assert scores.missed, "at .95 not all are found"
    assert scene.errors == []


def test_the_buttons_the_keys_the_list_and_the_address_agree(explained, address):
    open_scene(explained)
    scene, page = explained, explained.page
    page.get_by_role("button", name="Next stage").click()
    scene.title("backbone").wait_for()
    page.keyboard.press("Alt+ArrowRight")
    scene.title("pyramid").wait_for()
    expect(page.get_by_role("radio", name="3. Feature pyramid")).to_be_checked()
    page.wait_for_url("**stage=pyramid")
    page.get_by_role("button", name="Previous stage").click()
    scene.title("backbone").wait_for()
    for _ in range(6):
        page.keyboard.press("Alt+ArrowRight")  # faster than the page is drawn
    scene.title("box-head").wait_for()
    page.goto(f"{address}/how_it_works?stage=mask")
    page.get_by_role("button", name="Draw a scene with known objects").click()
    scene.title("mask").wait_for(timeout=120_000)


def test_iou_is_counted_while_a_box_is_dragged(scene, known):
    _, pixels, trace = known
    scene.go("iou")
    picture = scene.picture("iou")
    size = pixels.shape[:2]
    mine, target = picture.boxes
    truth = draw_scene(1).masks[0].box_xywh
    assert target == [truth[0], truth[1], truth[0] + truth[2], truth[1] + truth[3]], "ground truth, as drawn"
    sent = np.round(trace.regions.boxes.astype(np.float64) * trace.to_image, 2)
    ious = box_ious(sent, np.array([target]))[:, 0]
    for bar in (0.5, 0.2):
        picture.slide(bar)
        passing = f"{int((ious >= bar).sum())} of {len(ious)} have an IoU of {bar:.2f} or more with object"
        picture.wait_until(lambda words=passing: words in picture.sentence, f"{passing}; {picture.sentence}")
    middle = (mine[0] + mine[2]) / 2 + 3, (mine[1] + mine[3]) / 2
    picture.drag(middle, (middle[0] + 7, middle[1] + 5), size)
    picture.wait_until(lambda: picture.boxes[0] != mine, "the dragged box")
    moved = picture.boxes[0]
    assert (moved[0] - mine[0], moved[1] - mine[1]) == pytest.approx((7, 5), abs=1.5)
    iou = box_ious(np.array([moved]), np.array([target]))[0, 0]
    assert f"= {iou:.3f}" in picture.sentence
    picture.canvas.focus()
    scene.page.keyboard.press("Shift+ArrowLeft")
    picture.wait_until(lambda: picture.boxes[0][0] == pytest.approx(max(moved[0] - 10, 0)), "ten to the left")


def test_a_click_shows_the_anchors_of_that_point(scene, known):
    _, pixels, trace = known
    scene.go("anchors")
    picture = scene.picture("anchors")
    all_of_them = sum(level.per_cell for level in trace.anchors)
    scene.page.get_by_text(f"{all_of_them} anchors at this point").wait_for()
    x, y = 60, 200
    picture.click((x, y), pixels.shape[:2])
    best = max(
        level.objectness[level.cell_at(x / trace.to_image[0], y / trace.to_image[1])].max()
        for level in trace.anchors
    )
    scene.page.get_by_text(f"Most likely an object: {best:.3f}").wait_for(timeout=15_000)
    scene.page.get_by_role("radio", name=trace.anchors[0].name).click()
    scene.page.get_by_text(f"{trace.anchors[0].per_cell} anchors at this point").wait_for()


def test_the_number_of_proposals_is_a_slider_of_the_browser_and_python_hears_of_it(scene, known):
    trace = known[2]
    scene.go("proposals")
    picture = scene.picture("proposals-after suppression")
    picture.slide(7)
    assert picture.view.locator('[data-part="value"]').inner_text() == "7", "at once"
    scores = trace.regions.objectness
    scene.page.get_by_text(f"Objectness of the best: {scores[0]:.3f}; of no. 7: {scores[6]:.3f}").wait_for()
    scene.page.get_by_role("radio", name="objectness").click()
    assert scene.picture("objectness").colors() > 3


def test_another_nms_threshold_tells_who_suppresses_whom(scene, known):
    predictor, _, trace = known
    scene.go("suppression")
    assert scene.picture("fates").legend
    slider = scene.page.get_by_role("slider", name="NMS threshold (IoU)")
    slider.focus()
    start = float(slider.input_value())
    for _ in range(10):
        scene.page.keyboard.press("ArrowLeft")
    nms = round(start - 0.1, 2)
    kept = len(trace.run.candidates.select(Thresholds(0.5, nms, predictor.model.max_detections)))
    scene.page.get_by_text(f"candidates: {kept} kept").wait_for()
    picture = scene.picture("fates")
    picture.wait_until(lambda: f"kept: {kept}" in picture.legend, f"{kept} kept, beside the picture")


def test_why_it_was_missed_and_the_box_taken_all_the_same(explained, known, folder):
    open_scene(explained)
    scene = explained
    predictor, pixels, trace = known
    scene.go("missed")
    picture = scene.picture("missed")
    box = (10, 150, 120, 250)
    picture.drag(box[:2], box[2:], pixels.shape[:2])
    answer = scene.page.get_by_test_id("stAlert").first
    answer.wait_for()
    scene.page.get_by_text("best proposal's IoU").wait_for()
    thresholds = Thresholds(
        nms_threshold=0.5, max_detections=predictor.model.max_detections, score_threshold=0.5
    )
    # the pointer stands on whole pixels of the screen: boxes within a pixel are the same drag
    told = {
        explain_box(trace, thresholds, predictor.model.label_map, np.add(box, shift).tolist()).verdict
        for shift in ((0, 0, 0, 0), (1, 1, -1, -1), (-1, -1, 1, 1))
    }
    verdict = explain_box(trace, thresholds, predictor.model.label_map, box).sentence.split(":")[0]
    assert len(told) > 1 or verdict in answer.inner_text()
    take = scene.page.get_by_role("button", name="Add it as an instance anyway")
    take.click()
    told = scene.page.get_by_text("Added as an instance of ")
    told.wait_for(timeout=60_000)
    take.click()  # once more makes no second one
    picture.wait_until(take.is_disabled, "the button to be dead")
    store = Store(StorePlace.in_folder(folder))
    try:
        project = store.projects()[0]
        (image,) = store.images(project.id)
        made = [row for row in store.instances(project.id, image_id=image.id) if row.source == "person"]
        names = {row.id: row.name for row in store.categories(project.id)}
    finally:
        store.close()
    assert len(made) == 1
    assert made[0].given_box == pytest.approx(box, abs=1.5)
    assert made[0].area > 0
    expect(told).to_contain_text(f"{names[made[0].category_id]} to the project {project.name}")
    picture.drag((200, 150), (260, 210), pixels.shape[:2])
    told.wait_for(state="hidden")  # another box has not been taken
    take.click()
    told.wait_for(timeout=60_000)
    scene.page.get_by_role("button", name="Open it in the editor").click()
    scene.page.wait_for_url(f"**/review?project={project.id}&image={image.id}*")


def test_what_is_opened_while_the_next_stage_is_drawn_stays_open(scene):
    page = scene.page
    for title, key in (("Take it home", "weights"), ("Glossary and sources", "iou")):
        scene.go("input")
        expander = page.get_by_test_id("stExpander").filter(has_text=title)
        choose(page, f"{NUMBERS[key]}. ")
        expander.get_by_text(title).click()
        scene.title(key).wait_for()
        page.locator('[data-test-script-state="notRunning"]').wait_for()
        expect(expander.locator("details[open]"), title).to_have_count(1)
        expander.get_by_text(title).click()


def test_the_walk_is_taken_home_as_a_report_and_as_a_notebook(scene):
    page = scene.page
    scene.stand_still("input")
    scene.unfold("Take it home")  # an earlier test on the same page may have
    for form, name in (("HTML report", "scene-1_walk.html"), ("Jupyter notebook", "scene-1_walk.ipynb")):
        choose(page, form)
        page.get_by_role("button", name="Prepare", exact=True).click()
        button = page.get_by_role("button", name=f"Download {name}")
        button.wait_for(timeout=120_000)
        with page.expect_download() as download:
            button.click()
        assert download.value.suggested_filename == name
        text = Path(download.value.path()).read_text("utf-8")
        for stage in STAGES:
            assert html.escape(stage.title) in text or stage.title in text
        if name.endswith(".ipynb"):
            nbformat.validate(nbformat.reads(text, as_version=4))
