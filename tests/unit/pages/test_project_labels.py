"""Tags and attributes on the Project page, without a browser."""

from maskrcnn_core.projects.attribute_edits import declare_attributes, set_attributes
from maskrcnn_core.projects.attributes import Attribute, declared_by
from maskrcnn_core.projects.image_tags import tag_images, tags_of
from tests.builders.projects import make_project
from tests.unit.pages.test_projects import open_page, page_ui, review_ui


def test_images_of_the_gallery_are_tagged(store):
    project = make_project(store)
    tag_images(store, project, "bob", store.images(project)[:1], add=["dusk"])
    app = open_page("project")
    gallery = next(table.value for table in app.dataframe if "tags" in table.value)
    assert list(gallery["tags"]) == ["dusk", ""]
    (box,) = [one for one in app.checkbox if one.label == "All 2 of this page"]
    box.check().run()
    (give,) = [one for one in app.multiselect if one.label == "Give"]
    give.set_value(["dusk"]).run()
    app.button(key="tag-images").click().run()
    assert not app.exception and not app.error and "Tags of 1 image changed" in app.success[0].value
    assert [tags_of(row) for row in store.images(project)] == [("dusk",)] * 2


def test_a_category_declares_an_attribute_and_no_longer(store):
    project = make_project(store)
    app = open_page("project")
    page_ui(app).section = "categories"
    app.run()
    app.text_input(key="attribute-name").set_value("stage")
    app.selectbox(key="attribute-kind").set_value("choice")
    next(button for button in app.button if button.label == "Declare").click().run()
    assert "expected one option or more for a choice, got 0" in app.error[0].value
    app.text_input(key="attribute-name").set_value("stage")
    app.selectbox(key="attribute-kind").set_value("choice")
    app.text_area(key="attribute-options").set_value("early\nlate\n")
    next(button for button in app.button if button.label == "Declare").click().run()
    assert not app.exception and "Declared stage for cell" in app.success[0].value
    category = store.categories(project)[0]
    assert declared_by(category) == (Attribute("stage", "choice", ("early", "late")),)
    table = next(table.value for table in app.dataframe if "attribute" in table.value)
    assert list(table["attribute"]) == ["occluded", "truncated", "crowd", "stage"]
    assert list(table["values"])[-1] == "one of early, late"
    rows = [row for row in store.instances(project) if row.category_id == category.id]
    set_attributes(store, project, "ann", rows, {"stage": "late"})
    app.run()
    app.button(key="remove-attribute").click().run()
    assert "stage is no longer declared; 4 instances keep a value" in app.success[0].value
    assert declared_by(store.categories(project)[0]) == ()


def test_a_text_of_an_attribute_is_no_markup(store):
    project = make_project(store)
    evil = Attribute("![x](http://a)", "choice", ("=1+1",))
    declare_attributes(store, project, "ann", store.categories(project)[0], [evil])
    app = open_page("project")
    page_ui(app).section = "categories"
    app.run()
    assert not app.exception
    (menu,) = [one for one in app.selectbox if one.label == "No longer declared"]
    assert menu.options == ["!\\[x\\](http://a)"] or "](" not in menu.options[0]


def test_the_gallery_searches_all_images_and_review_takes_what_was_found(store):
    project = make_project(store, images=3)
    tag_images(store, project, "bob", store.images(project)[1:], add=["dusk"])
    app = open_page("project")
    (box,) = [one for one in app.text_input if one.label == "Search"]
    box.set_value("tag:dusk").run()
    gallery = next(table.value for table in app.dataframe if "tags" in table.value)
    assert list(gallery["image"]) == ["image 2.png", "image 3.png"]
    assert app.button(key="review-these").label == "Review these 2"
    assert app.button(key="clear-filter").label == "Only images found by tag\\:dusk"
    page_ui(app).section = "out"
    app.run()
    app.checkbox(key="out-filter").check().run()
    assert any(caption.value.startswith("2 images and 0 instances") for caption in app.caption)
    page_ui(app).section = "overview"
    app.run()
    app.button(key="review-these").click().run()
    app.switch_page("pages/review/page.py").run()
    assert not app.exception and len(review_ui(app).queue) == 2
    (box,) = [one for one in app.text_input if one.label == "Search"]
    assert box.value == "tag:dusk"
    box.set_value("dusk:").run()
    assert not app.exception and len(review_ui(app).queue) == 0
    box.set_value("colour:red").run()
    assert "expected tag:, category:" in app.error[0].value.replace("\\", "")
    assert "expected tag:, category:" in app.run().error[0].value.replace("\\", "")
    (box,) = [one for one in app.text_input if one.label == "Search"]
    box.set_value("").run()
    assert not any("expected tag" in error.value for error in app.error) and len(review_ui(app).queue) == 3


def test_a_search_that_is_none_is_said_and_the_filter_is_let_go(store):
    make_project(store)
    app = open_page("project")
    (box,) = [one for one in app.text_input if one.label == "Search"]
    box.set_value("status:finished").run()
    assert not app.exception and "expected a status of new, opened, reviewed" in app.error[0].value
    assert app.button(key="review-these").disabled
    app.button(key="clear-filter").click().run()
    assert not app.error and app.button(key="review-these").label == "Review these 2"


def test_an_export_is_parted_in_three_with_each_category_in_each(store):
    make_project(store, images=10)
    app = open_page("project")
    page_ui(app).section = "out"
    app.run()
    app.selectbox(key="out-statuses").set_value("accepted and proposed").run()
    app.checkbox(key="out-split").check().run()
    app.slider(key="out-test-share").set_value(0.3).run()
    app.checkbox(key="out-balance").check().run()
    assert not app.exception and not app.error
    assert "train: 5 images, val: 2 images, test: 3 images" in [caption.value for caption in app.caption]
    table = next(table.value for table in app.dataframe if "test" in table.value)
    assert list(table["test"]) == ["6 (30%)", "3 (30%)"]
    app.slider(key="out-share").set_value(0.9).run()
    assert "together below 1" in app.error[0].value
