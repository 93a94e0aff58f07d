"""What is seen of stacks is chosen before they are added to a project."""

from maskrcnn_core.projects.seeing import seen_in
from tests.builders.projects import make_project
from tests.builders.stacks import nuclei, ome
from tests.unit.pages.test_projects import open_page, page_ui

STACK = ome(nuclei()[0], names=("DAPI", "GFP"))


def opened(store):
    project = make_project(store)
    app = open_page("project")
    page_ui(app).section = "images"
    return project, app.run()


def upload(app):
    (files,) = [one for one in app.file_uploader if one.label == "Files"]
    files.set_value(("nuclei.tif", STACK, "image/tiff"))
    app.run()
    assert not app.exception


def choose(app, **texts):
    for one in app.text_input:
        if one.label in texts:
            one.set_value(texts[one.label])
    app.run()


def test_a_stack_is_added_as_it_is_chosen(store):
    project, app = opened(store)
    choose(app, **{"Slice (z)": "max", "Channels": "DAPI:grey"})
    assert any("z=max" in one.value for one in app.caption), [one.value for one in app.caption]
    upload(app)
    seen = {row.file_name: seen_in(row)[0] for row in store.images(project)}
    assert seen["nuclei.tif"] == "page=1;z=max;channels=1:#ffffff;contrast=1:0.1%..99.9%"


def test_nothing_is_added_while_the_choice_says_nothing(store):
    project, app = opened(store)
    before = len(store.images(project))
    choose(app, Contrast="bright")
    assert "expected auto, full, percentiles" in app.error[0].value
    upload(app)
    assert len(store.images(project)) == before, "kept until it is clear what is to be seen"
    choose(app, Contrast="full")
    assert len(store.images(project)) == before + 1
