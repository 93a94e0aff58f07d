import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_core.formats.coco_reader import CocoReader
from maskrcnn_core.formats.coco_rows import Rows
from maskrcnn_core.geometry.rle import Rle

SIZE = (40, 60)
RING = [3.5, 4.25, 30.0, 6, 22.75, 33.3333]
MASK = {"size": list(SIZE), "counts": Rle.from_counts([90, 20, 20, 20, 2250], SIZE).counts}
PLAIN = {"image_id": 1, "category_id": 7, "segmentation": [RING], "bbox": [3.5, 4, 27, 29.5], "area": 400.5}

ODD = {
    "image_id": [1.0, True, "1", 2, 99, None, 2**70],
    "category_id": [7.0, "7", "word", 8, None],
    "segmentation": [
        [[*RING, 5.0]],
        [[*RING, 5.0, True]],
        [[*RING[:-1], "33"]],
        [[*RING[:-1], None]],
        [[*RING[:-1], float("nan")]],
        [[*RING[:-1], 16 * 60.0]],
        [[*RING[:-1], 16 * 60.0 + 0.5]],
        [[*RING[:-1], -1e300]],
        [[*RING[:-1], 10**400]],
        [[-5.0, -5.0, -1.0, -5.0, -1.0, -1.0]],
        [[0, 0, 20, 0, 20, 20, 0, 20]],
        [[[0, 0], [20, 0], [20, 20]]],
        [RING, RING],
        [RING[:4]],
        RING,
        [],
        [[]],
        None,
        "text",
        MASK,
        MASK | {"size": [60, 40]},
        MASK | {"size": [40.0, 60]},
        MASK | {"size": [True, 60]},
        MASK | {"counts": [90, 20, 2290]},
        MASK | {"counts": MASK["counts"] + "0"},
        MASK | {"counts": MASK["counts"][:-1]},
        MASK | {"counts": "é"},
        MASK | {"counts": ""},
        MASK | {"more": 1},
        {"counts": MASK["counts"]},
        {"size": list(SIZE), "counts": Rle.from_counts([2400], SIZE).counts},
    ],
    "score": [0, 0.25, None, "0.5", float("nan"), 10**400, True],
    "bbox": [
        None,
        [],
        [1, 2, 3],
        [1, 2, -3, 4],
        [1, 2, "3", 4],
        [1, 2, True, 4],
        [1, 2, 3, float("inf")],
        [0] * 4,
    ],
    "area": [None, 0, -1, 7, 1e20, "8", float("nan"), True],
    "iscrowd": [0, 1, 2, True, "1", 1.0, None, -1],
    "id": [5, 0, "a", "5", 5.0, None, 2**60],
    "more": [1, {"a": [None, float("nan")]}],
    "maskdesk": [{"status": "rejected"}, 3],
}


def document(rows):
    return json.dumps(
        {
            "images": [
                {"id": 1, "file_name": "a.png", "width": 60, "height": 40},
                {"id": 2, "file_name": "b.png", "width": 40, "height": 60},
                {"id": 2**70, "file_name": "c.png", "width": 60, "height": 40},
            ],
            "annotations": rows,
            "categories": [{"id": 7, "name": "seven"}, {"id": "word", "name": "word"}],
        }
    ).encode()


def read(data):
    reader = CocoReader(data)
    rows = list(reader.annotations())
    told = [
        (repr(row.raw), row.id, row.text_id, row.extra, row.polygons, row.is_listed, row.index)
        for row in rows
    ]
    masks = [(m.area, m.box_xywh, m.counts) for row in rows if (m := getattr(row.value, "mask", None))]
    return [row.value for row in rows], told, masks, reader.refusals, reader.notes


def read_one_by_one(data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rows, "plain", lambda self, batch: {})
        return read(data)


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, values in ODD.items() for v in values])
def test_a_row_is_the_same_whether_read_among_many_or_by_itself(field, value):
    rows = [PLAIN | {"id": 1}, PLAIN | {"id": 2, field: value}, PLAIN | {"id": 3, "segmentation": MASK}]
    data = document(rows)
    assert read(data) == read_one_by_one(data)


@settings(max_examples=150)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([3, None, [], "row"]),
            st.fixed_dictionaries(
                {name: st.just(value) for name, value in PLAIN.items()},
                optional={name: st.sampled_from(values) for name, values in ODD.items() if name not in PLAIN},
            ),
            st.fixed_dictionaries(
                {}, optional={name: st.sampled_from(values) for name, values in ODD.items()}
            ),
        ),
        max_size=12,
    )
)
def test_rows_are_the_same_whether_read_together_or_one_by_one(rows):
    data = document(rows)
    assert read(data) == read_one_by_one(data)


def test_plain_rows_are_indeed_read_together(monkeypatch):
    rows = [PLAIN | {"id": n, "segmentation": [RING] if n % 2 else MASK} for n in range(1, 9)]
    monkeypatch.setattr(Rows, "annotation", None)
    values, *_ = read(document(rows))
    assert len(values) == 8 and values[0].mask == values[2].mask != values[1].mask
