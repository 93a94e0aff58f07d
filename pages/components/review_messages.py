"""What the reviewer is told.

`ReviewMessage` goes to the browser as JSON (`to_json`); what people decide comes back as `operations`. The
same samples in ``tests/data/review`` are read by the tests of this module and by those of
``web/review/review_state.js``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.projects.attributes import BUILT_IN, Attribute, AttributeValue, schema_json
from maskrcnn_core.projects.records import ImageStatus, Status
from maskrcnn_core.projects.review.review_queue import Unit
from maskrcnn_core.projects.team.approvals import Stage
from pages.components.checks import COLOR, MAX_INT, check_choice, check_int, shorten
from pages.components.viewer_messages import ViewerMessage

__all__ = [
    "MOST_OF_A_NAME",
    "VERSION",
    "InstanceState",
    "Person",
    "Pin",
    "QueueFacts",
    "Refusal",
    "ReviewCategory",
    "ReviewFrame",
    "ReviewMessage",
    "SecondLook",
    "clean_name",
]

VERSION = 3
"""Of the messages of both directions."""
MAX_TOKEN = 200
MOST_OF_A_NAME = 80
"""Characters of a person's name."""


def clean_name(name: str) -> str:
    """Return a person's name as the journal has it, on one line; empty for blanks alone."""
    return one_line(name)[:MOST_OF_A_NAME].strip() if name.strip() else ""


@dataclass(frozen=True)
class InstanceState:
    """The state of an instance in review.

    Args:
        version: of its row, as the browser has to name it when it decides.
        note: what speaks for or against it, in a few words.
        category_id: of the project, as in `ReviewMessage.categories`.
        has_score: false for what no model found; its label then shows no number.
        is_crowd: a region of many objects, which evaluators and training leave out.
        polygons: flat x y in pixel corners, as a person drew them or a file gave them.
        source: a model's key, ``person`` or ``file``.
        attributes: what is said of it, by name; ``crowd`` is not among it.
    """

    status: Status
    version: int
    category_id: int
    note: str = ""
    has_score: bool = True
    is_crowd: bool = False
    polygons: Sequence[Sequence[float]] | None = None
    source: str = ""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice("status", self.status, get_args(Status))
        check_int("version", self.version)
        check_int("category_id", self.category_id, least=-MAX_INT)


@dataclass(frozen=True)
class Pin:
    """A comment, shown at its place in the image.

    Args:
        id: its number on the image.
        x, y: in pixels of the image.
        text: whose it is, and what it says; shown as it is.
        instance: of the frame, where the comment is about one that is there.
    """

    id: int
    x: float
    y: float
    text: str
    instance: int | None = None


@dataclass(frozen=True)
class SecondLook:
    """What somebody has said of an image after it was annotated.

    Args:
        stage: where the image is; empty where it was never approved or returned and is not finished.
        told: whose word it is, and what has become of it; shown as it is.
    """

    stage: Stage | Literal[""]
    told: str


@dataclass(frozen=True)
class Person:
    """Somebody else who has the project open.

    Args:
        name: shown as it is.
        is_here: they have the present place's image open, and do something there.
    """

    name: str
    is_here: bool


@dataclass(frozen=True)
class ReviewFrame:
    """One place in the queue with all that it shows.

    Args:
        at: the place, from 0.
        message: the image and its instances. Score, hidden categories and display are kept by the browser
            while it goes from frame to frame, so they are the same in all frames of a message.
        image_id, image_version, image_status: of the store's row.
        states: for each instance of the message, by id.
        focus: the instance that this place is about, where the queue is one of instances.
        pins: the image's open comments.
        second_look: what was said of the image; ``None`` where the project has no second stage.

    Raises:
        ValueError: if instances and states differ, or a value is out of range.
    """

    at: int
    message: ViewerMessage
    image_id: int
    image_version: int
    image_status: ImageStatus
    states: Mapping[int, InstanceState]
    focus: int | None = None
    pins: tuple[Pin, ...] = ()
    second_look: SecondLook | None = None

    def __post_init__(self) -> None:
        where = f"frame {self.at}"
        check_int(f"{where}: at", self.at)
        check_int(f"{where}: image_id", self.image_id)
        check_int(f"{where}: image_version", self.image_version)
        check_choice(f"{where}: image_status", self.image_status, get_args(ImageStatus))
        if differing := set(self.states) ^ self.message.ids:
            raise ValueError(
                f"{where}: states: expected the message's instances; these differ: {sorted(differing)[:5]}"
            )
        if self.focus is not None and self.focus not in self.states:
            raise ValueError(f"{where}: focus: expected an instance of the message, got {self.focus}")

    def to_json(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "message": self.message.to_json(),
            "image_id": self.image_id,
            "image_version": self.image_version,
            "image_status": self.image_status,
            # Not ``asdict``: it would copy every corner of every polygon.
            "states": {str(id_): dict(vars(state)) for id_, state in self.states.items()},
            "focus": self.focus,
            "pins": [asdict(pin) for pin in self.pins],
            "second_look": None if self.second_look is None else asdict(self.second_look),
        }


@dataclass(frozen=True)
class QueueFacts:
    """The queue that is gone through.

    Args:
        token: another one for every other queue; `Go` names it, as a place means nothing in another queue.
        length: number of places.
        at: the present place; the browser stays where it is until its own way there is acknowledged.
    """

    token: str
    length: int
    at: int
    unit: Unit = "image"

    def __post_init__(self) -> None:
        if not isinstance(self.token, str) or not 0 < len(self.token) <= MAX_TOKEN:
            raise ValueError(f"queue.token: expected 1 to {MAX_TOKEN} characters, got {shorten(self.token)}")
        check_int("queue.length", self.length)
        check_int("queue.at", self.at)
        if self.at >= max(1, self.length):
            raise ValueError(f"queue.at: {self.at} of {self.length}")
        check_choice("queue.unit", self.unit, get_args(Unit))


@dataclass(frozen=True)
class ReviewCategory:
    """A category of the project; the first nine answer to the keys 1 to 9.

    Args:
        attributes: what can be said of its instances, the built-in ones first.
    """

    id: int
    name: str
    color: str
    attributes: tuple[Attribute, ...] = BUILT_IN

    def __post_init__(self) -> None:
        check_int("category: id", self.id, least=-MAX_INT)
        if not COLOR.fullmatch(self.color):
            raise ValueError(f"category {self.id}: color: expected #rrggbb, got {shorten(self.color)}")


@dataclass(frozen=True)
class Refusal:
    """An operation and a sentence about it: why it was not carried out, or what it did.

    Args:
        project_id: of the project that it was about; people are told of it there.
        needs: ``"category"`` where it can be done once the person has said of which category it is.
    """

    seq: int
    text: str
    project_id: int = 0
    needs: Literal["", "category"] = ""

    def to_json(self) -> dict[str, Any]:
        needs = {"needs": self.needs} if self.needs else {}
        return {"seq": self.seq, "text": self.text, **needs}


@dataclass(frozen=True)
class ReviewMessage:
    """All that the reviewer shows.

    Args:
        frames: the present place and those around it, for going on without waiting.
        categories: of the project, in order.
        ack_client: whose operations ``ack_seq`` and ``refused`` are about; empty if none have come yet.
        ack_seq: the greatest number of an operation that the frames already contain, or that was refused.
        refused: the latest operations of that client in this project which were not carried out; each is told
            until somebody dismisses it.
        remarks: what its latest undos and redos in this project did; each is told once.
        project_id: whose queue this is.
        who: the name that the person gave in this session; empty where the browser knows it better.
        is_away: the database does not answer: nothing can be saved, and this is what was shown last.
        made: ids of the instances that its latest operations have made, by the operation's number.
        taken: names of others by the place whose image they have open: who goes on passes over it.
        here: names of others who have the present place's image open.
        people: all others in the project, those at the present place's image first.

    Raises:
        ValueError: if two frames or categories have the same place or id, or a frame lies outside the queue.
    """

    frames: tuple[ReviewFrame, ...]
    queue: QueueFacts
    categories: tuple[ReviewCategory, ...] = ()
    ack_client: str = ""
    ack_seq: int = 0
    project_id: int = 0
    who: str = ""
    refused: tuple[Refusal, ...] = ()
    remarks: tuple[Refusal, ...] = ()
    made: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    can_undo: bool = False
    can_redo: bool = False
    is_away: bool = False
    taken: Mapping[int, str] = field(default_factory=dict)
    here: tuple[str, ...] = ()
    people: tuple[Person, ...] = ()

    def __post_init__(self) -> None:
        check_int("ack_seq", self.ack_seq)
        places = {frame.at for frame in self.frames}
        if len(places) != len(self.frames):
            raise ValueError("frames: expected each place once")
        if outside := [place for place in places if place >= self.queue.length]:
            raise ValueError(f"frames: places {sorted(outside)[:5]} of {self.queue.length}")
        if outside := [place for place in self.taken if not 0 <= place < self.queue.length]:
            raise ValueError(f"taken: places {sorted(outside)[:5]} of {self.queue.length}")
        if len({category.id for category in self.categories}) != len(self.categories):
            raise ValueError("categories: expected each id once")

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "frames": [frame.to_json() for frame in self.frames],
            "queue": asdict(self.queue),
            "categories": [
                vars(category) | {"attributes": schema_json(category.attributes)}
                for category in self.categories
            ],
            "ack_client": self.ack_client,
            "ack_seq": self.ack_seq,
            "project_id": self.project_id,
            "who": self.who,
            "refused": [refusal.to_json() for refusal in self.refused],
            "remarks": [remark.to_json() for remark in self.remarks],
            "made": {str(seq): list(ids) for seq, ids in self.made.items()},
            "can_undo": self.can_undo,
            "can_redo": self.can_redo,
            "is_away": self.is_away,
            "taken": {str(place): name for place, name in self.taken.items()},
            "here": list(self.here),
            "people": [asdict(one) for one in self.people],
        }
