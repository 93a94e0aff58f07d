"""Several people on one project: they see one another, and what each does, without a reload."""

import pytest
from playwright.sync_api import expect

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects.team.comments import comments_of
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.browser.review_page import link_of, make_project, open_sidebar

pytestmark = pytest.mark.browser

SCENES = [(f"scene{n}.png", encode_png(draw_scene(210_000 + n).pixels)) for n in range(4)]


@pytest.fixture
def project(store, request):
    return make_project(store, request.node.name, SCENES)


def sidebar(review):
    return open_sidebar(review.page)


def images_of(store, project):
    return [image.id for image in store.images(project.id)]


def test_what_one_decides_the_other_sees_without_a_reload(address, store, project, people):
    first = images_of(store, project)[0]
    link = link_of(address, project, image=first)
    ann, bob = people(link, "Ann"), people(link, "Bob")
    ann.wait(here="Bob", image_id=first)
    bob.wait(here="Ann", image_id=first)
    expect(sidebar(ann).get_by_text("Bob is here", exact=True)).to_be_visible()
    expect(ann.page.get_by_role("listitem", name="Bob is here, on this image")).to_have_text("B")
    ann.press("a", "d")
    bob.wait(status_counts="2,1,1", saved="true")
    ann.wait(status_counts="2,1,1", saved="true")
    bob.press("Shift+A")
    ann.wait(status_counts="0,3,1", saved="true")
    assert [(e.who, e.kind) for e in store.journal(project.id, limit=3)] == [
        ("Bob", "accept"),
        ("Ann", "reject"),
        ("Ann", "accept"),
    ]


def test_the_queue_passes_over_what_others_have_and_leads_there_on_purpose(address, store, project, people):
    link = link_of(address, project)
    ann = people(link, "Ann")
    mine = ann.image_id
    bob = people(link, "Bob")
    theirs = bob.image_id
    assert theirs != mine, "a queue begins with what nobody has open"
    eve = people(link, "Eve")
    assert eve.image_id not in (mine, theirs)
    expect(sidebar(ann).get_by_text("Eve: scene")).to_be_visible()
    ann.press(".")
    ann.wait(loading="false")
    assert ann.image_id not in (mine, theirs), "over Bob's"
    eve.page.goto(link_of(address, project, image=ann.image_id))
    eve.wait(here="Ann", image_id=ann.image_id)
    eve.press("a")
    eve.wait(saved="true")
    assert store.journal(project.id, limit=1)[0].who == "Eve", "it is no lock"


def test_a_closed_browser_gives_back_its_image(address, store, project, people):
    first = images_of(store, project)[0]
    ann = people(link_of(address, project, image=first), "Ann")
    bob = people(link_of(address, project, image=first), "Bob")
    bob.wait(here="Ann")
    ann.context.close()
    bob.wait(here="")
    expect(sidebar(bob).get_by_text("Ann is here", exact=True)).to_have_count(0)
    expect(bob.page.get_by_role("list", name="Others in this project")).to_be_empty()
    bob.page.get_by_role("link", name="Models").click()
    eve = people(link_of(address, project, image=first), "Eve")
    eve.wait(here="")


def test_undecided_work_of_one_is_not_lost_by_what_another_does(address, store, project, people):
    first = images_of(store, project)[0]
    link = link_of(address, project, image=first)
    ann, bob = people(link, "Ann"), people(link, "Bob")
    ann.wait(here="Bob")
    rows = store.instances(project.id, image_id=first)
    ann.context.set_offline(True)
    ann.press("a")  # Ann's first: the connection is gone, the decision is in her tab alone
    ann.wait(status_counts="3,1,0", saved="false")
    bob.page.evaluate("() => document.activeElement?.blur()")
    bob.press("n")
    bob.press("d")
    bob.wait(saved="true")
    ann.context.set_offline(False)
    ann.saved()
    kinds = sorted((e.who, e.kind) for e in store.journal(project.id, limit=2))
    assert kinds == [("Ann", "accept"), ("Bob", "reject")]
    after = {row.id: row.status for row in store.instances(project.id, image_id=first)}
    assert sorted(after[row.id] for row in rows) == ["accepted", "proposed", "proposed", "rejected"]
    counts = "2,1,1"
    ann.wait(status_counts=counts)
    bob.wait(status_counts=counts)


def test_ones_own_page_after_a_reload_is_nobody_else(address, store, project, people):
    ann = people(link_of(address, project), "Ann")
    here = ann.image_id
    ann.page.reload()
    ann.wait(image_id=here)
    ann.page.wait_for_timeout(2500)
    ann.wait(here="")
    expect(ann.page.get_by_text("Here now")).to_have_count(0)


def test_a_comment_is_pinned_seen_by_others_answered_and_resolved(address, store, project, people):
    first = images_of(store, project)[0]
    link = link_of(address, project, image=first)
    ann, bob = people(link, "Ann"), people(link, "Bob")
    ann.press("Shift+T")
    form = ann.page.locator("[data-part=comment-form]")
    ann.page.keyboard.type("a <b>nucleus</b>, d or a?")  # none of these letters is a key now
    ann.page.keyboard.press("Control+Enter")
    expect(form).to_have_count(0)
    ann.wait(comments="1", saved="true", status_counts="4,0,0")
    bob.wait(comments="1")
    pin = bob.page.locator(".pin")
    expect(pin).to_have_attribute("title", "Ann: a <b>nucleus</b>, d or a?")
    box, at = pin.bounding_box(), bob.at(*pinned(store, project))
    assert abs(box["x"] - at[0]) < 3 and abs(box["y"] + box["height"] - at[1]) < 3
    bob.page.get_by_role("textbox", name="Answer").fill("a nucleus")
    bob.page.get_by_role("button", name="Send the answer").click()
    expect(ann.page.get_by_text("a nucleus", exact=False).first).to_be_visible()
    bob.page.get_by_role("button", name="Resolve").click()
    bob.wait(comments="0")
    ann.wait(comments="0")
    assert [(e.who, e.kind) for e in store.journal(project.id, limit=3)] == [
        ("Bob", "resolve comment"),
        ("Bob", "answer comment"),
        ("Ann", "comment"),
    ]
    ann.press("u")
    ann.saved()


def pinned(store, project):
    (comment,) = comments_of(store.images(project.id)[0])
    return comment.x, comment.y
