"""A project duplicated, and another one taken in, on the Project page without a browser."""

from maskrcnn_core.projects.image_tags import tag_images
from tests.builders.projects import make_project
from tests.unit.pages.test_projects import open_page, page_ui


def settings_of(app):
    page_ui(app).section = "settings"
    return app.run()


def test_a_project_is_duplicated_and_the_copy_is_opened(store):
    make_project(store)
    app = settings_of(open_page("project"))
    next(button for button in app.button if button.label == "Duplicate").click().run()
    assert not app.exception and not app.error and app.title[0].value == "Cells, copy"
    assert "This is Cells, copy, a copy of Cells" in app.success[0].value
    copy = store.projects()[0]
    assert copy.name == "Cells, copy" and len(store.instances(copy.id)) == 6


def test_another_project_is_taken_in_and_what_differs_is_said_before(store):
    other = make_project(store, name="Other", images=3, instances=0)
    tag_images(store, other, "bob", store.images(other), add=["north"])
    project = make_project(store)
    app = settings_of(open_page("project"))
    menu = app.selectbox(key=f"merge-source-{project}")
    assert menu.options == ["Other"]
    menu.select_index(0).run()
    assert any("Other into Cells: 1 new image, 2 images of both" in text.value for text in app.text)
    assert len(store.images(project)) == 2
    app.button(key="merge-project").click().run()
    assert not app.exception and "Merged Other into Cells" in app.success[0].value
    assert len(store.images(project)) == 3
    page_ui(app).section = "history"
    app.run()
    app.button(key="history-Undo").click().run()
    assert len(store.images(project)) == 2 and len(store.images(other)) == 3
