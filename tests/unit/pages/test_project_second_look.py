"""The second look on the Project page, without a browser: its setting, its counts, and what they lead to."""

from maskrcnn_core.projects.team.approvals import approve_images, has_second_stage
from pages.review.queue_panel import keep_queue
from pages.review.state import ReviewUi
from pages.shared.open_project import OpenProject
from tests.builders.projects import change, make_project
from tests.unit.pages.test_projects import open_page, page_ui


def finished(store, project):
    """Both images of the project, finished by ann."""
    for row in store.images(project):
        store.decide(
            project, "ann", "finish image", [change(row, "image", status="reviewed")], image_id=row.id
        )
    return store.images(project)


def test_the_setting_brings_counts_that_show_their_images(store):
    project = make_project(store)
    app = open_page("project")
    assert not [button for button in app.button if (button.key or "").startswith("stage-")]
    page_ui(app).section = "settings"
    app.run().toggle[0].set_value(True).run()
    assert not app.exception and not app.error and has_second_stage(store.project(project))
    approve_images(store, project, "bob", finished(store, project)[:1])
    page_ui(app).section = "overview"
    app.run()
    counts = {button.key: button.label for button in app.button if (button.key or "").startswith("stage-")}
    assert counts == {
        "stage-to-approve": "1 to approve",
        "stage-approved": "1 approved",
        "stage-returned": "0 returned",
        "stage-lapsed": "0 lapsed",
    }
    app.button(key="stage-approved").click().run()
    table = app.dataframe[0].value
    assert list(table["image"]) == ["image 1.png"] and list(table["second look"]) == ["approved by bob"]


def test_the_queue_is_of_what_waits_for_approval_or_came_back_to_oneself(store, ui):
    images = finished(store, ui.id)
    approve_images(store, ui.id, "bob", images[:1])
    project = OpenProject(store, store.project(ui.id), "ann", store.revision(ui.id))
    review = ReviewUi(look="approve")
    keep_queue(project, review)
    assert [item.image_id for item in review.queue] == [images[1].id]
    review.look = "returned"
    keep_queue(project, review)
    assert review.queue == ()
