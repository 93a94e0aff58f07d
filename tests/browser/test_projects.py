"""The pages of projects in a real Chromium, over a store on disk: from the first upload to the last file."""

import io
import json
import re
import zipfile

import pytest
from playwright.sync_api import expect

from maskrcnn_core.dataset.annotations import AnnotatedImage, ImageRecord
from maskrcnn_core.formats import format_by_key, write_zip
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.browser.chromium import remember_name
from tests.browser.conftest import ROOT
from tests.browser.frames import wait_until
from tests.browser.review_page import (
    CATEGORIES,
    ReviewPage,
    link_of,
    make_project,
    open_sidebar,
    settle,
    wait_for_the_name,
)
from tests.builders.formats import HEIGHT, WIDTH, make_export, make_instances
from tests.builders.projects import change

pytestmark = pytest.mark.browser


@pytest.fixture
def page(page):
    remember_name(page)
    return page


UNSEEN = 210_000


@pytest.fixture(scope="module")
def pictures():
    return {f"scene {n}.png": encode_png(draw_scene(UNSEEN + n).pixels) for n in range(4)}


@pytest.fixture
def project(store, pictures, request):
    """Three images with four proposals each, named after the test."""
    return make_project(store, request.node.name, list(pictures.items())[:3])


def statuses(store, project):
    return sorted(f.status for f in store.facts(project.id) if f.status != "proposed")


def go_to_section(page, title):
    page.get_by_test_id("stMain").get_by_role("radio", name=re.compile(title)).click()
    settle(page)
    wait_for_the_name(page)


def choose(page, menu, option):
    page.get_by_test_id("stMain").get_by_role("combobox", name=menu).click()
    page.get_by_role("option", name=option).click()
    settle(page)


def test_a_link_opens_the_app_around_its_page_also_first_after_a_start(page, serve_app, tmp_path):
    # A server of its own: no other page has been asked for since it began.
    fresh = serve_app(ROOT / "app.py", {"MASKDESK_DATA": str(tmp_path), "MASKDESK_DATABASE": ""}, cwd=ROOT)
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2] if "//" in request.url else ""))
    page.goto(f"{fresh}/project")
    page.get_by_text("Create a project").wait_for(timeout=60_000)
    page.get_by_test_id("stHeader").get_by_role("link", name="Review").wait_for()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert hosts - {""} == {fresh.split("/")[2]}


def test_a_folder_that_is_dropped_in_keeps_its_paths(page, address, store, tmp_path):
    """Two cameras of one name each, and the list of both beside them."""
    folder = tmp_path / "dropped"
    document = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "box"}]}
    pictures = {}
    for n, camera in enumerate(("cam1", "cam2"), start=1):
        name = f"{camera}/frame.png"
        (folder / "images" / "default" / camera).mkdir(parents=True)
        pictures[n * 20] = encode_png(draw_scene(UNSEEN + n).pixels[:100, :200])
        (folder / "images" / "default" / name).write_bytes(pictures[n * 20])
        document["images"].append({"id": n, "file_name": name, "width": 200, "height": 100})
        square = [n * 20, 10, n * 20 + 9, 10, n * 20 + 9, 30, n * 20, 30]
        document["annotations"].append(
            {"id": n, "image_id": n, "category_id": 1, "segmentation": [square], "iscrowd": 0}
        )
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_default.json").write_text(json.dumps(document))
    made = store.create_project("Dropped folder", "ann")
    page.goto(f"{address}/project?project={made.id}")
    page.get_by_role("heading", name="Dropped folder").wait_for(timeout=60_000)
    go_to_section(page, "Add images")
    page.locator("input[type=file][webkitdirectory]").set_input_files(folder)
    page.get_by_text("Added: 2 images, 2 instances, 1 category.").wait_for(timeout=60_000)
    digests = {row.id: row.digest for row in store.images(made.id)}
    found = {int(row.mask.box_xywh[0]): digests[row.image_id] for row in store.instances(made.id)}
    assert {left: store.blobs.get(digest) for left, digest in found.items()} == pictures


def test_from_the_first_upload_to_the_finished_file(page, address, store, pictures):
    page.goto(f"{address}/project")
    sidebar = page.get_by_test_id("stSidebar")
    # Until the browser has told the name, the form asks for it.
    expect(sidebar.get_by_role("textbox", name="Your name, for the journal")).to_have_value(
        "ann", timeout=60_000
    )
    if store.projects():
        page.get_by_role("button", name="New project").click()
    page.get_by_role("textbox", name="New project's name").fill("First steps")
    page.get_by_role("textbox", name="Categories, separated").fill(", ".join(CATEGORIES))
    page.get_by_role("button", name="Create").click()
    page.get_by_role("heading", name="First steps").wait_for(timeout=60_000)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in pictures.items():
            file.writestr(name, data)
        file.writestr("![x](http://127.0.0.1:9/x.png).jpg", b"no image")
    page.locator("input[type=file]").first.set_input_files(
        {"name": "scenes.zip", "mimeType": "application/zip", "buffer": archive.getvalue()}
    )
    page.get_by_text("Added: 4 images.").wait_for(timeout=60_000)
    page.get_by_text("1 refused").wait_for()
    go_to_section(page, "Pre-annotate")
    page.get_by_role("button", name="Run on all 4 images").click()
    page.get_by_text("4 of 4 images, ").wait_for(timeout=240_000)
    (project,) = [p for p in store.projects() if p.name == "First steps"]
    page.get_by_text(re.compile("done$")).first.wait_for(timeout=60_000)
    proposed = len(store.facts(project.id))
    assert proposed >= 12
    page.get_by_test_id("stHeader").get_by_role("link", name="Review").click()
    page.wait_for_url(re.compile(rf"/review\?.*project={project.id}\b"), timeout=60_000)
    review = ReviewPage(page, page.url)
    review.press("a", "a", "d", "2", "Enter")
    review.wait(at=1, saved="true")
    assert statuses(store, project) == ["accepted", "accepted", "rejected"]
    assert sorted(i.status for i in store.images(project.id)).count("reviewed") == 1
    page.get_by_test_id("stHeader").get_by_role("link", name="Project").click()
    page.get_by_role("heading", name="First steps").wait_for(timeout=60_000)
    page.get_by_text("1 of 4 images reviewed").wait_for(timeout=60_000)
    go_to_section(page, "Export")
    page.get_by_text("proposals that nobody has accepted are left out").wait_for()
    choose(page, "Instances", "accepted and proposed")
    page.get_by_text("of them are proposals that nobody has accepted").wait_for(timeout=60_000)
    page.get_by_role("button", name="Prepare").click()
    offered = page.get_by_test_id("stDownloadButton").get_by_role("button")
    with page.expect_download(timeout=60_000) as started:
        offered.click(timeout=60_000)
    assert started.value.suggested_filename == "First steps_coco.json"
    dataset, refusals = read_coco(started.value.path().read_bytes())
    assert refusals == [] and len(dataset.images) == 4, "also images that nobody has opened"
    assert len(dataset.instances) == proposed - 1, "all but the rejected one"
    assert page.locator("img[src*='127.0.0.1:9']").count() == 0


def test_keys_decide_and_undo_and_a_reload_loses_nothing(page, address, store, project):
    review = ReviewPage(page, link_of(address, project))
    review.press("a", "d")
    review.wait(saved="true", status_counts="2,1,1")
    review.press("u")
    review.wait(saved="true", status_counts="3,1,0")
    page.get_by_text("taken back: reject, 1 instance in ").wait_for()
    review.press("y")
    review.wait(saved="true", status_counts="2,1,1")
    assert statuses(store, project) == ["accepted", "rejected"]
    page.reload()
    review.wait(status_counts="2,1,1")
    review.press("Shift+A")
    review.wait(saved="true", status_counts="0,3,1")
    review.press(*"uuuuuuuuuuuu")  # more often than there is something to undo in a review
    review.wait(saved="true", status_counts="4,0,0")
    assert len(store.images(project.id)) == 3, "the import is not taken back by it"
    kinds = {entry.kind for entry in store.journal(project.id)}
    assert {"accept", "reject", "undo", "redo", "add images"} <= kinds


@pytest.mark.parametrize(
    ("title", "seen"),
    [
        ("Models", "Your own model"),
        ("Annotate", "Or try one of these"),  # both end early where no image is open
        ("How it works", "Stage by stage"),
    ],
)
def test_a_decision_and_at_once_another_page(page, address, store, project, title, seen):
    review = ReviewPage(page, link_of(address, project))
    link = page.get_by_test_id("stHeader").get_by_role("link", name=title)
    place = link.bounding_box()
    review.press("a", "a", "d")
    page.mouse.click(place["x"] + 20, place["y"] + place["height"] / 2)
    page.get_by_text(seen).first.wait_for(timeout=60_000)
    # The other page's outbox brings what the reviewer could not send any more.
    wait_until(page, lambda: len(statuses(store, project)) == 3, "three decisions")
    assert statuses(store, project) == ["accepted", "accepted", "rejected"]
    assert len([e for e in store.journal(project.id) if e.kind in ("accept", "reject")]) == 3, "each once"


def test_a_link_leads_to_the_very_same_place(browser, page, address, store, project):
    review = ReviewPage(page, link_of(address, project))
    review.press(".", ".")
    review.wait(at=2, saved="true")
    settle(page)
    page.wait_for_url(re.compile(r"image=\d+"))
    image = review.root.get_attribute("data-image")
    page.wait_for_function(
        "id => new URL(location).searchParams.get('image') === id",
        arg=str(next(i.id for i in store.images(project.id) if i.digest == image)),
    )
    context = browser.new_context(viewport={"width": 1360, "height": 900})
    try:
        other = ReviewPage(context.new_page(), page.url)
        other.wait(image=image)
    finally:
        context.close()


def test_of_two_people_on_one_instance_the_second_is_told_and_both_are_kept(
    browser, page, address, store, project
):
    first = ReviewPage(page, link_of(address, project))
    context = browser.new_context(viewport={"width": 1360, "height": 900})
    try:
        # A page that is told a name runs once more, and might show the first one's decision then.
        context.add_init_script("localStorage.setItem('maskdesk-who', 'bob')")
        second = ReviewPage(context.new_page(), page.url)
        assert second.root.get_attribute("data-image") == first.root.get_attribute("data-image")
        context.set_offline(True)  # or the second would see the first one's decision, and change it knowingly
        second.press("d")
        second.wait(status_counts="3,0,1", saved="false")
        first.press("a")
        first.wait(saved="true", status_counts="3,1,0")
        context.set_offline(False)
        second.page.get_by_text("somebody else changed").first.wait_for(timeout=60_000)
        second.wait(saved="true", status_counts="3,1,0")
        refused = [entry for entry in store.journal(project.id) if entry.is_refused]
        assert [line["after"] for line in refused[0].changes] == [{"status": "rejected"}]
        assert statuses(store, project) == ["accepted"]
        # They go on, each with their own.
        second.press("d")
        second.wait(saved="true", status_counts="2,1,1")
        first.press("u")
        first.wait(saved="true", status_counts="3,0,1")
    finally:
        context.close()


def test_what_is_decided_while_the_server_is_dead_is_saved_when_it_is_back(
    page, serve_app, folder, store, project
):
    how = {"env": {"MASKDESK_DATA": str(folder), "MASKDESK_DATABASE": ""}, "cwd": ROOT}
    mortal = serve_app(ROOT / "app.py", **how)
    review = ReviewPage(page, link_of(mortal, project))
    review.press("a")
    review.saved()
    serve_app.kill(mortal)
    review.press("a", "d")
    review.wait(status_counts="1,2,1")
    assert review.root.get_attribute("data-saved") == "false"
    serve_app(ROOT / "app.py", **how, address=mortal)
    review.wait(saved="true", status_counts="1,2,1")  # without a reload
    assert statuses(store, project) == ["accepted", "accepted", "rejected"]
    assert len([e for e in store.journal(project.id) if e.kind in ("accept", "reject")]) == 3, "each once"


def test_a_box_around_what_was_missed_becomes_an_instance(page, address, store, project):
    review = ReviewPage(page, link_of(address, project))
    image = next(i for i in store.images(project.id) if i.digest == review.root.get_attribute("data-image"))
    number = int(image.file_name.split()[1].removesuffix(".png"))
    wanted = max(draw_scene(UNSEEN + number).masks, key=lambda mask: mask.area)
    x, y, width, height = wanted.box_xywh
    corners = [review.at(x, y), review.at(x + width, y + height)]
    review.press("r")
    review.wait(tool="box")
    page.mouse.move(*corners[0])
    page.mouse.down()
    page.mouse.move(*corners[1], steps=5)
    expect(page.locator(".rubber")).to_be_visible()
    page.mouse.up()
    review.wait(saved="true", status_counts="4,1,0")
    page.locator(".rubber").wait_for(state="detached")
    drawn = next(row for row in store.instances(project.id) if row.source == "person")
    assert mask_iou(drawn.mask, wanted) > 0.7
    expect(review.root, "so that a digit relabels it").to_have_attribute("data-selected", str(drawn.id))
    page.keyboard.press("Escape")
    review.wait(tool="")
    review.press("u")
    review.wait(saved="true", status_counts="4,0,0")
    review.press("y")
    review.wait(saved="true", status_counts="4,1,0")


def test_half_an_outline_does_not_come_along_to_the_next_picture(page, address, store, project):
    review = ReviewPage(page, link_of(address, project))
    review.press("Escape", "1", "w")
    review.click(20, 20)
    review.click(60, 20)
    review.press(".")
    review.wait(at=1)
    for point in ((100, 100), (140, 100), (140, 140)):
        review.click(*point)
    review.press("Enter")
    review.saved()
    drawn = next(row for row in store.instances(project.id) if row.source == "person")
    assert drawn.image_id == review.image_id
    assert len(drawn.polygons[0]) == 6
    assert min(drawn.polygons[0]) > 90


def test_single_instances_are_gone_through_by_doubt(page, address, store, project):
    review = ReviewPage(page, link_of(address, project))
    open_sidebar(page).get_by_role("radio", name="Instances").click()
    page.get_by_text("1 of 12").wait_for(timeout=60_000)
    review.wait(at=0)
    review.press("a", "d", "a")
    review.wait(at=3, saved="true")
    decided = [f for f in store.facts(project.id) if f.status != "proposed"]
    assert len(decided) == 3
    # Scores are .95, .85, .75 and .65: the nearest to .5 come first.
    assert {round(f.score, 2) for f in decided} == {0.65}


def test_a_bar_leads_to_the_images_behind_it(page, address, store, project):
    fact = store.facts(project.id)[0]
    row = next(i for i in store.instances(project.id) if i.id == fact.id)
    store.decide(project.id, "ann", "reject", [change(row, status="rejected")])
    page.goto(f"{address}/project?project={project.id}")
    page.get_by_role("button", name="Review these 3").wait_for(timeout=60_000)
    chart = page.get_by_test_id("stPlotlyChart").nth(1)
    # Of the sizes' chart, the rejected part of the one bar: medium discs.
    chart.locator(".barlayer .trace").nth(2).locator(".point path").nth(1).click(force=True)
    page.get_by_role("button", name="Only rejected, medium").wait_for(timeout=60_000)
    page.get_by_role("button", name="Review these 1").wait_for()
    page.get_by_role("button", name="Review these 1").click()
    page.get_by_text("1 of 1", exact=True).wait_for(timeout=60_000)


def test_train_and_val_come_as_one_archive(page, address, store, project):
    page.goto(f"{address}/project?project={project.id}")
    page.get_by_role("heading", level=1).wait_for(timeout=60_000)
    go_to_section(page, "Export")
    page.get_by_text("Split into train and val").click()
    settle(page)
    page.get_by_text("Include the image files").click()
    settle(page)
    page.get_by_role("button", name="Prepare").click()
    with page.expect_download(timeout=60_000) as started:
        page.get_by_test_id("stDownloadButton").get_by_role("button").click(timeout=60_000)
    with zipfile.ZipFile(started.value.path()) as archive:
        names = archive.namelist()
        documents = [json.loads(archive.read(f"annotations/{n}.json")) for n in ("train", "val")]
    assert [len(d["images"]) for d in documents] == [2, 1]
    assert sum(name.startswith("images/") for name in names) == 3


def test_what_comes_from_one_program_leaves_for_another(page, address, store):
    """CVAT's zip comes in, with a hole and two parts, and YOLO's folders go out, with the images in them."""
    pixels = draw_scene(UNSEEN).pixels[:HEIGHT, :WIDTH]
    record = ImageRecord(7, "frame 7.png", WIDTH, HEIGHT)
    image = AnnotatedImage(record, make_instances(7), lambda: pixels)
    export = make_export(images=(image,), has_images=True)
    archive = io.BytesIO()
    write_zip(format_by_key("cvat").members(export), archive)
    made = store.create_project("From CVAT", "ann")
    page.goto(f"{address}/project?project={made.id}")
    page.get_by_role("heading", name="From CVAT").wait_for(timeout=60_000)
    go_to_section(page, "Add images")
    page.locator("input[type=file]").first.set_input_files(
        {"name": "task.zip", "mimeType": "application/zip", "buffer": archive.getvalue()}
    )
    page.get_by_text("Added: 1 image, 5 instances, 80 categories.").wait_for(timeout=60_000)
    meant = sorted(instance.mask.counts for instance in make_instances(7))
    assert sorted(row.counts for row in store.instances(made.id)) == meant
    go_to_section(page, "Export")
    choose(page, "Format", "YOLO segments")
    page.get_by_text("Include the image files").click()
    settle(page)
    page.get_by_role("button", name="Prepare").click()
    page.get_by_text("read back: 5 instances, lowest mask IoU 1.000000").wait_for(timeout=60_000)
    with page.expect_download(timeout=60_000) as started:
        page.get_by_test_id("stDownloadButton").get_by_role("button").click(timeout=60_000)
    with zipfile.ZipFile(started.value.path()) as written:
        assert sorted(written.namelist()) == [
            "data.yaml",
            "images/train/frame 7.png",
            "labels/train/frame 7.txt",
        ]
        assert len(written.read("labels/train/frame 7.txt").splitlines()) == 5


def test_categories_are_made_renamed_and_merged(page, address, store, project):
    page.goto(f"{address}/project?project={project.id}")
    page.get_by_role("heading", level=1).wait_for(timeout=60_000)
    go_to_section(page, "Categories")
    page.get_by_label("Names, separated by commas").fill("vessel, debris")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("Added 2").wait_for(timeout=60_000)
    settle(page)
    name = page.get_by_label("Name", exact=True)
    name.fill("cell nucleus")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved cell nucleus").wait_for(timeout=60_000)
    assert [r.name for r in store.categories(project.id)] == [
        "cell nucleus",
        *CATEGORIES[1:],
        "vessel",
        "debris",
    ]
    settle(page)
    page.get_by_label("These").click()
    page.get_by_role("option", name="circle").click()
    page.keyboard.press("Escape")
    settle(page)
    page.get_by_role("button", name="Merge").click()
    page.get_by_text("Merged into cell nucleus").wait_for(timeout=60_000)
    names = {r.id: r.name for r in store.categories(project.id)}
    assert "circle" not in names.values()
    assert sum(names[f.category_id] == "cell nucleus" for f in store.facts(project.id)) == 6
