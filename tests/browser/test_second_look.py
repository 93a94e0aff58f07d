"""Images approved or returned by a second person, what is said of several instances, and comments on one."""

import pytest
from playwright.sync_api import expect

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects.attribute_edits import declare_attributes
from maskrcnn_core.projects.attributes import Attribute, values_of
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.team.approvals import set_second_stage, stage_counts, verdict_of
from maskrcnn_core.projects.team.comments import comments_of
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.browser.review_page import link_of, make_project, open_sidebar

pytestmark = pytest.mark.browser

SCENES = [(f"scene{n}.png", encode_png(draw_scene(220_000 + n).pixels)) for n in range(3)]
SCHEMA = (
    Attribute("alive", "yes-no"),
    Attribute("stage", "choice", ("early", "late")),
    Attribute("age", "number"),
    Attribute("note", "text"),
)


@pytest.fixture
def project(store, request):
    return make_project(store, request.node.name, SCENES)


@pytest.fixture
def first(store, project):
    return store.images(project.id)[0].id


def finish(store, project, image, who):
    """The image is finished by somebody who has decided all of it."""
    (row,) = store.images(project.id, ids=[image])
    rows = store.instances(project.id, image_id=image)
    accepted = [Change("instance", one.id, one.version, {"status": "accepted"}) for one in rows]
    store.decide(project.id, who, "accept", accepted, image_id=image)
    change = Change("image", image, row.version, {"status": "reviewed"})
    store.decide(project.id, who, "finish image", [change], image_id=image)


def with_second_look(store, project, *images):
    """The project's images are approved, and Ann has finished some."""
    set_second_stage(store, "Ann", store.project(project.id), is_wanted=True)
    for image in images:
        finish(store, project, image, "Ann")


def look(review, text):
    """Until the place in the panel says this."""
    expect(review.page.locator("[data-part=second-look-told]")).to_have_text(text)


def test_a_single_user_sees_nothing_of_a_second_look(address, store, project, first, people):
    ann = people(link_of(address, project, image=first), "Ann")
    expect(ann.page.locator("[data-part=second-look]")).to_be_hidden()
    ann.press("Shift+Enter")
    expect(ann.page.locator("[data-part=say]")).to_contain_text("nobody has to approve images here")
    expect(open_sidebar(ann.page).get_by_text("To approve")).to_have_count(0)


def test_an_image_is_approved_and_its_approval_lapses_when_it_is_changed(
    address, store, project, first, people
):
    with_second_look(store, project, first)
    bob = people(link_of(address, project, image=first), "Bob")
    look(bob, "Waits for approval.")
    bob.page.get_by_role("button", name="Approve").click()
    bob.wait(saved="true", loading="false")
    assert stage_counts(store, project.id)["approved"] == 1
    assert verdict_of(store.images(project.id, ids=[first])[0]).annotator == "Ann"
    assert bob.image_id != first, "on to the next, as after Enter"
    ann = people(link_of(address, project, image=first), "Ann")
    look(ann, "Approved by Bob.")
    ann.press("n", "d")
    ann.saved()
    look(ann, "Approval lapsed: Bob approved it before it was changed.")
    assert stage_counts(store, project.id)["lapsed"] == 1
    bob.page.goto(link_of(address, project, image=first))
    bob.wait(image_id=first)
    look(bob, "Approval lapsed: Bob approved it before it was changed.")
    bob.press("Shift+Enter")
    bob.wait(saved="true")
    assert stage_counts(store, project.id)["approved"] == 1
    bob.press("u")
    bob.wait(saved="true")
    look(bob, "Approval lapsed: Bob approved it before it was changed.")


def test_a_returned_image_is_in_its_annotators_queue_with_the_comment(address, store, project, first, people):
    with_second_look(store, project, *(image.id for image in store.images(project.id)))
    bob = people(link_of(address, project, image=first), "Bob")
    open_sidebar(bob.page).get_by_role("radio", name="To approve").click()
    bob.wait(at="0")
    expect(bob.page.locator("[data-part=position]")).to_have_text("1 of 3")
    bob.page.goto(link_of(address, project, image=first))
    bob.wait(image_id=first)
    look(bob, "Waits for approval.")
    bob.press("n", "Shift+Backspace")
    bob.page.get_by_role("textbox", name="What is to be done").fill("two cells, not one")
    bob.page.keyboard.press("Control+Enter")
    bob.wait(saved="true", image_status="opened", comments="1")
    look(bob, "Returned by Bob to Ann.")
    (comment,) = comments_of(store.images(project.id, ids=[first])[0])
    assert comment.text == "two cells, not one" and comment.instance is not None
    ann = people(link_of(address, project), "Ann")
    open_sidebar(ann.page).get_by_role("radio", name="Returned to me").click()
    ann.wait(image_id=first, comments="1")
    expect(ann.page.locator("[data-part=position]")).to_have_text("1 of 1")
    expect(ann.page.get_by_text("two cells, not one").first).to_be_visible()
    ann.press("Enter")
    ann.saved()
    assert stage_counts(store, project.id)["to-approve"] == 3


def test_a_comment_goes_with_its_instance_and_stays_when_that_is_gone(address, store, project, first, people):
    ann = people(link_of(address, project, image=first), "Ann")
    instance = store.instances(project.id, image_id=first)[0]
    ann.click(*middle(instance))
    ann.press("q", "Shift+T")
    ann.wait(tool="brush")
    ann.page.get_by_role("textbox", name="Comment").click()
    ann.page.keyboard.type("odd")
    ann.page.get_by_role("button", name="Pin it").click()  # the brush does not paint through the form
    ann.wait(saved="true", comments="1")
    assert store.instances(project.id, ids=[instance.id])[0].version == instance.version
    pin = ann.page.locator(".pin")
    expect(pin).to_have_text("1")
    place = pin.get_attribute("style")
    ann.press("v", "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight", "Escape", "Escape")
    ann.saved()
    expect(ann.page.get_by_text(f"on nucleus {instance.coco_id}")).to_be_visible()
    moved = store.instances(project.id, ids=[instance.id])[0]
    assert moved.box_xywh[0] > instance.box_xywh[0]
    expect(pin).not_to_have_attribute("style", place)
    ann.click(*middle(moved))
    ann.press("Delete")
    ann.saved()
    expect(ann.page.get_by_text("on an instance that is gone")).to_be_visible()
    expect(pin).to_be_visible()


def middle(instance):
    x, y, width, height = instance.box_xywh
    return x + width / 2, y + height / 2


def test_attributes_of_several_instances_are_said_at_once_and_survive_a_lost_connection(
    address, store, project, first, people
):
    for row in store.categories(project.id):
        declare_attributes(store, project.id, "Ann", row, SCHEMA)
    ann = people(link_of(address, project, image=first), "Ann")
    one, two, *_ = store.instances(project.id, image_id=first)
    panel = ann.page.get_by_role("region", name="Attributes of the selected instances")

    def said(row):
        return values_of(store.instances(project.id, ids=[row.id])[0])

    ann.click(*middle(one))
    ann.press("Control+i")
    expect(panel.get_by_label("alive", exact=True)).to_be_focused()
    panel.get_by_label("stage", exact=True).select_option("late")
    panel.get_by_label("note", exact=True).fill("a <b>note</b>, d or a?")
    ann.page.keyboard.press("Enter")
    expect(ann.page.locator("[data-part=stage]")).to_be_focused()
    ann.saved()
    assert said(one) == {"stage": "late", "note": "a <b>note</b>, d or a?"}
    ann.click(*middle(two), "Shift")
    expect(panel).to_have_attribute("data-selected", "2")
    expect(panel.get_by_label("note", exact=True)).to_have_attribute("placeholder", "mixed")
    expect(panel.get_by_label("stage", exact=True).locator("option").first).to_have_text("mixed")
    ann.context.set_offline(True)
    panel.get_by_role("button", name="occluded").click()
    expect(panel.get_by_role("button", name="occluded")).to_have_attribute("aria-pressed", "true")
    panel.get_by_label("age", exact=True).fill("2.5")
    ann.click(*middle(one))  # what was written is about what was selected then
    expect(panel).to_have_attribute("data-selected", "1")
    expect(panel.get_by_label("age", exact=True)).to_have_value("2.5")
    ann.wait(saved="false")
    ann.context.set_offline(False)
    ann.saved()
    assert said(two) == {"occluded": True, "age": 2.5}
    assert said(one) == {"stage": "late", "note": "a <b>note</b>, d or a?", "occluded": True, "age": 2.5}
    ann.page.locator("[data-part=stage]").focus()
    ann.press("u", "u")
    ann.saved()
    assert said(two) == {} and said(one) == {"stage": "late", "note": "a <b>note</b>, d or a?"}
