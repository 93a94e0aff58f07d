"""Images are assigned on the Project page, and the Review page keeps to one's own."""

from maskrcnn_core.projects.team.assignments import assign_images, assignee_of
from tests.builders.projects import make_project
from tests.unit.pages.test_projects import open_page, review_ui


def field(kind, label):
    (found,) = [one for one in kind if one.label == label]
    return found


def whose(store, project):
    return [assignee_of(row) for row in store.images(project)]


def test_images_of_the_page_are_assigned_and_the_rest_is_shared_out(store):
    project = make_project(store, images=5)
    app = open_page("project")
    field(app.multiselect, "Images to assign").select("image 2.png").run()
    field(app.selectbox, "To").select("ann").run()
    app.button(key="assign-these").click().run()
    assert not app.exception and "Assigned 1 image anew" in app.success[0].value
    assert whose(store, project) == ["", "ann", "", "", ""]
    assert any("4 images are nobody" in text.value for text in app.text)
    field(app.multiselect, "Share them out among").select("ann").run()
    app.button(key="share-out").click().run()
    assert "Assigned 4 images anew" in app.success[0].value and whose(store, project) == ["ann"] * 5
    field(app.multiselect, "Images to assign").select("image 1.png").run()
    field(app.selectbox, "To").select("nobody").run()
    app.button(key="assign-these").click().run()
    assert whose(store, project)[0] == ""


def test_the_review_offers_ones_own_images_once_there_are_any(store):
    project = make_project(store, images=3)
    labels = [one.label for one in open_page("review").segmented_control]
    assert "Whose images" not in labels
    last = store.images(project)[2]
    assign_images(store, project, "bob", [last], "ann")
    app = open_page("review")
    field(app.segmented_control, "Whose images").select("only mine").run()
    assert not app.exception
    assert [item.image_id for item in review_ui(app).queue] == [last.id]
