"""What a browser may say of instances' attributes, and what is refused of it."""

import pytest

from maskrcnn_core.common.bounds import MAX_ATTRIBUTES, MAX_NAME
from maskrcnn_core.projects.review.operations import SetAttributes
from pages.components.review_protocol import read_operations


def report(**changes):
    operation = {
        "kind": "set_attributes",
        "seq": 1,
        "image_id": 7,
        "attributes": {"occluded": True, "stage": "late", "diameter": 2.5, "count": 3, "note": None},
        "instances": [[5, 2], [[1, 0], 1]],
    }
    return {"version": 3, "client": "0123456789abcdef", "ops": [operation | changes]}


def test_values_of_every_kind_are_read_as_they_were_sent():
    (operation,) = read_operations(report()).operations
    assert operation == SetAttributes(
        1,
        7,
        {"occluded": True, "stage": "late", "diameter": 2.5, "count": 3, "note": None},
        ((5, 2), ((1, 0), 1)),
    )
    assert [type(value) for value in operation.attributes.values()] == [bool, str, float, int, type(None)]


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"attributes": {}}, "attributes"),
        ({"attributes": {str(n): True for n in range(MAX_ATTRIBUTES + 1)}}, "attributes"),
        ({"attributes": {"a": [1]}}, "attributes"),
        ({"attributes": {"a": "x" * (MAX_NAME + 1)}}, "attributes"),
        ({"attributes": {"x" * (MAX_NAME + 1): True}}, "attributes"),
        ({"attributes": {"": True}}, "attributes"),
        ({"attributes": [["a", True]]}, "attributes"),
        ({"instances": []}, "instances"),
        ({"instances": [[5, 2], [5, 3]]}, "5 is named twice"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_its_field(changes, says):
    with pytest.raises(ValueError, match=says):
        read_operations(report(**changes))
