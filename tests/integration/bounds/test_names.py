"""Names that a person gives, which everybody who uses the app gets to see."""

import pytest

from maskrcnn_core.common.bounds import MAX_NAME
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import InputError, StoreError
from maskrcnn_core.projects.category_edits import add_categories, change_category

LONG = "n" * (MAX_NAME + 1)
BAD = pytest.mark.parametrize("bad", [LONG, "half \ud800", "a\0b"], ids=["long", "half", "NUL"])


@BAD
def test_a_project_nobody_could_list_is_not_made(store, bad):
    for name, who, categories in ((bad, "ann", ()), ("P", bad, ()), ("P", "ann", [Category(1, bad)])):
        with pytest.raises(StoreError, match="expected a name of"):
            store.create_project(name, who, categories=categories)
    assert store.projects() == []
    assert store.create_project("n" * MAX_NAME, "ann").name == "n" * MAX_NAME


@BAD
def test_a_category_has_a_name_that_can_be_shown(store, project, bad):
    with pytest.raises(InputError, match="category: expected a name of"):
        add_categories(store, project, "ann", [bad])
    with pytest.raises(InputError, match="category: expected a name of"):
        add_categories(store, project, "ann", ["c"], supercategory=bad)
    add_categories(store, project, "ann", ["c"])
    (row,) = store.categories(project)
    for name, above in ((bad, ""), ("c", bad)):
        with pytest.raises(InputError, match="category: expected a name of"):
            change_category(store, project, "ann", row, name=name, supercategory=above, color="#123456")
