"""Values of JSON as declared types: what is wrong is told by field, in a few words."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from maskrcnn_core.common.typed_json import read_as

Number = Annotated[float, Meta(ge=-10, le=10)]


@dataclass
class Part:
    id: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    size: tuple[Number, Number] | None = None
    rings: Annotated[tuple[Annotated[tuple[Number, ...], Meta(max_length=4)], ...], Meta(max_length=2)] = ()

    def __post_init__(self):
        if self.id == 13:
            raise ValueError("id: 13 is taken")
        if self.id == 14:
            raise ValueError("nothing of it is right")


@dataclass
class Whole:
    kind: Literal["a", "b"]
    parts: list[Part]
    version: Literal[3] = 3
    name: Annotated[str, Meta(min_length=2, max_length=5)] = "name"
    code: Annotated[str, Meta(pattern=r"^[0-9]+\Z", description="some digits")] = "1"
    share: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    is_on: bool = False
    rest: dict[str, Any] | None = None


GOOD = {"kind": "a", "parts": [{"id": 1, "size": [1, 2.5], "rings": [[1, 2]]}], "unknown": object()}


def test_a_value_becomes_its_type_and_unknown_fields_are_passed_over():
    read = read_as(GOOD, Whole)
    assert read == Whole("a", [Part(1, (1.0, 2.5), ((1.0, 2.0),))])
    assert type(read.parts[0].size[0]) is float


def part(**changes):
    return {"parts": [{"id": 2}, {"id": 1, **changes}]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "c" * 10**6}, "x.kind: expected one of a, b, got 'ccc"),
        ({"kind": ["a"]}, "x.kind: expected one of a, b, got ['a']"),
        ({"version": 4}, "x.version: expected 3, got 4"),
        ({"version": True}, "x.version: expected 3, got True"),
        ({"name": "n"}, "x.name: expected at least 2 characters, got 1"),
        ({"name": "n" * 5000}, "x.name: expected at most 5 characters, got 5,000"),
        ({"code": "1 - at `$.kind`"}, "x.code: expected some digits, got '1 - at `$.kind`'"),
        ({"code": "1\n"}, "x.code: expected some digits, got '1\\n'"),
        ({"share": 1}, "x.share: expected a number below 1, got 1"),
        ({"share": 0.0}, "x.share: expected a number above 0, got 0.0"),
        ({"share": float("nan")}, "x.share: expected a number above 0, got nan"),
        ({"share": 10**400}, "x.share: expected a number of fewer digits, got 1000"),
        ({"is_on": 1}, "x.is_on: expected true or false, got 1"),
        ({"rest": [1]}, "x.rest: expected named fields or nothing, got [1]"),
        ({"parts": {}}, "x.parts: expected a list, got {}"),
        ({"parts": [5]}, "x.parts[0]: expected named fields, got 5"),
        ({"parts": [{}]}, "x.parts[0].id: missing"),
        (part(id=0), "x.parts[1].id: expected a whole number from 1, got 0"),
        (
            part(id=2**70),
            "x.parts[1].id: expected a whole number up to 9007199254740991, got 11805",
        ),
        (part(id=1.0), "x.parts[1].id: expected a whole number, got 1.0"),
        (part(id=True), "x.parts[1].id: expected a whole number, got True"),
        (part(id=13), "x.parts[1].id: 13 is taken"),
        (part(id=14), "x.parts[1]: nothing of it is right"),
        (part(size=[1]), "x.parts[1].size: expected a list of 2, got 1"),
        (part(size="12"), "x.parts[1].size: expected a list or nothing, got '12'"),
        (part(size=[1, "2"]), "x.parts[1].size[1]: expected a number, got '2'"),
        (part(size=[1, False]), "x.parts[1].size[1]: expected a number, got False"),
        (part(rings=[[1]] * 3), "x.parts[1].rings: expected at most 2, got 3"),
        (part(rings=[[], [1] * 5]), "x.parts[1].rings[1]: expected at most 4, got 5"),
        (part(rings=[[1, 11]]), "x.parts[1].rings[0][1]: expected a number up to 10, got 11"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_named_by_field_with_what_was_expected_and_what_came(changes, said):
    with pytest.raises(ValueError, match=r"^x\.") as error:
        read_as(GOOD | changes, Whole, "x")
    assert str(error.value).startswith(said) and len(str(error.value)) < 200


def test_the_whole_value_is_named_where_it_has_a_place():
    for value in ([], None, "x", 5):
        with pytest.raises(ValueError, match=r"^ops: expected named fields, got "):
            read_as(value, Whole, "ops")
    with pytest.raises(ValueError, match=r"^value: expected named fields"):
        read_as([], Whole)
    with pytest.raises(ValueError, match=r"^kind: missing"):
        read_as({}, Whole)
