import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_core.common.json_rows import JsonRows, read_json_rows
from maskrcnn_core.errors import DatasetError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
spaced = st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}])


def whole(value):
    """What is read, with all rows of all lists."""
    if isinstance(value, JsonRows):
        rows = list(value)
        assert [value[n] for n in range(len(value))] == rows
        return rows
    if isinstance(value, dict):
        return {key: list(v) if isinstance(v, JsonRows) else v for key, v in value.items()}
    return value


def written(value, style):
    try:
        return json.dumps(value, **style).encode()
    except UnicodeEncodeError:  # half of a surrogate pair has no bytes of its own
        return json.dumps(value).encode()


def test_a_member_that_is_there_twice_is_told_and_the_last_counts():
    told = []
    found = read_json_rows(
        b'{"images": [1], "x": 3, "images": [{"id": 2}]}', on_left_out=lambda *one: told.append(one)
    )
    assert whole(found) == {"x": 3, "images": [{"id": 2}]}
    assert told == [("images", "a name that is there twice; only the last one counts")]


@given(values, spaced)
def test_rows_are_what_json_reads(value, style):
    data = written(value, style)
    assert whole(read_json_rows(data)) == json.loads(data)


@given(values.filter(lambda v: isinstance(v, list | dict)), st.data())
def test_what_json_refuses_is_refused_and_nothing_else(value, data):
    text = bytearray(json.dumps(value).encode())
    at = data.draw(st.integers(0, len(text) - 1))
    change = data.draw(st.sampled_from([b"", b",", b"]", b"}", b"[", b'"', b":", b"x", b"\\", b" "]))
    text[at : at + data.draw(st.integers(0, 1))] = change
    try:
        expected = json.loads(bytes(text))
    except (ValueError, RecursionError):
        with pytest.raises(DatasetError, match="JSON"):
            read_json_rows(bytes(text))
    else:
        assert whole(read_json_rows(bytes(text))) == expected


@pytest.mark.parametrize(
    "text",
    [
        "[1,]",
        "[,1]",
        "[,]",
        "{,}",
        '{"a":1,}',
        '{"a"}',
        '{"a":}',
        "{1:2}",
        "[1}",
        "{]",
        "[[1]",
        '["',
        "[1] 2",
        "",
    ],
)
def test_broken_texts_are_refused(text):
    with pytest.raises(DatasetError, match="JSON"):
        read_json_rows(text.encode())


def test_what_only_json_reads_is_read_exactly():
    rows = read_json_rows(b'{"a": [NaN, -Infinity, 123456789012345678901234567890, "\\ud800", 1e400]}')["a"]
    nan, *others = rows
    assert math.isnan(nan)
    assert others == [-math.inf, 123456789012345678901234567890, "\ud800", math.inf]


def test_the_last_of_two_members_of_one_name_counts():
    assert whole(read_json_rows(b'{"a": [1], "a": [2, 3]}')) == {"a": [2, 3]}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
def test_every_encoding_that_json_reads_is_read(encoding):
    assert whole(read_json_rows('{"ä": ["ö"]}'.encode(encoding))) == {"ä": ["ö"]}


def test_many_rows_come_in_batches_of_bounded_size():
    rows = [{"id": n, "text": "x" * (n % 97)} for n in range(30_000)]
    read = read_json_rows(json.dumps({"rows": rows}).encode())["rows"]
    batches = list(read.batches())
    assert len(read) == len(rows) and len(batches) > 1
    assert [row for batch in batches for row in batch] == rows


@pytest.mark.parametrize("around", ["[{}]", "[1,{}]", '[{{"a":{}}}]', "[ -{}]", '["a\\"",{}0]', '["{}"]'])
def test_whole_numbers_of_any_length_stay_whole(around):
    text = around.format(2**64 + 1)
    assert repr(list(read_json_rows(text.encode()))) == repr(json.loads(text))
