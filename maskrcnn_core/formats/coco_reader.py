"""Reads COCO JSON, distrusting every field: nothing unchecked reaches ``pycocotools``, which can crash.

What cannot be read is refused by name, as ``annotations[17].segmentation``, and the rest is kept. A field
that a mask does without never costs the mask: what was repaired is counted and reported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from maskrcnn_core.common.bounds import MAX_CATEGORIES, MAX_IMAGES, MAX_NAME, MAX_STRANGE_ROWS
from maskrcnn_core.common.json_rows import Json, JsonRows, read_json_rows
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.common.refusals import Groups, Refusal, Refusals, kind
from maskrcnn_core.dataset.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.errors import DatasetError
from maskrcnn_core.formats.coco_fields import OURS, FieldError, Ids, id_key, ours_of
from maskrcnn_core.formats.coco_file import CocoFile, CocoRow, GivenBox
from maskrcnn_core.formats.coco_plain import Annotation
from maskrcnn_core.formats.coco_rows import Rows, SizeOf
from maskrcnn_core.geometry.polygons import EdgeBudget

__all__ = [
    "CocoFile",
    "CocoReader",
    "CocoRow",
    "GivenBox",
    "Refusal",
    "read_coco",
    "read_coco_file",
    "read_result_rows",
]


_T = TypeVar("_T")

_RESULTS = "results"

_MOST = {"images": MAX_IMAGES, "categories": MAX_CATEGORIES}
"""Rows of lists that are kept until the file is read."""

_READ_OF_FILE = frozenset({"images", "categories", "annotations", OURS})
_READ_OF_IMAGE = frozenset({"id", "width", "height", "file_name", "sha256", OURS})
_READ_OF_CATEGORY = frozenset({"id", "name", "supercategory", OURS})
_OF_A_RESULT = frozenset({"image_id", "category_id", "score"})
_READ_OF_ANNOTATION = frozenset(
    {"id", "image_id", "category_id", "segmentation", "iscrowd", "score", "area", "bbox", OURS}
)


def read_coco(data: bytes) -> tuple[Dataset, list[Refusal]]:
    """Read the data set form, checking everything before any library sees it.

    Returns:
        The data set, and what was refused of it, by name.

    Raises:
        DatasetError: if the file as a whole is not COCO JSON.
    """
    file = read_coco_file(data)
    return file.dataset(), file.refused()


def read_coco_file(data: bytes, *, size_of: SizeOf = lambda _name: None) -> CocoFile:
    """Read the data set form with all that is in it, checked as :func:`read_coco` does.

    Args:
        data: the file.
        size_of: asked for the size of an image of which the file does not tell it.

    Raises:
        DatasetError: if the file as a whole is not COCO JSON.
    """
    return CocoReader(data, size_of=size_of, keeps_refused=True).whole()


def read_result_rows(
    rows: list[Json], dataset: Dataset, budget: EdgeBudget | None = None
) -> tuple[list[tuple[int, Instance]], list[tuple[int, GivenBox]], list[Refusal], Groups]:
    """Read rows of the results form.

    Args:
        rows: as JSON has them.
        dataset: what they are detections in.
        budget: for the edges of polygons, where these are some of the rows.

    Returns:
        Those with a mask and those that are boxes without one, with their index; what was refused; and what
        had to be repaired.
    """
    lists = _Lists({_RESULTS: rows}, Rows(lambda _name: None, budget or EdgeBudget()), {})
    lists.rows.refer_to(dataset.images, dataset.categories)
    read = [(row.id - 1, row.value) for row in lists.instances(_RESULTS)]
    found = [(index, value) for index, value in read if isinstance(value, Instance)]
    boxes = [(index, value) for index, value in read if isinstance(value, GivenBox)]
    return found, boxes, lists.refusals.first, lists.rows.mends


class CocoReader:
    """A reader of the data set form by rows: images and categories at once, then what refers to them.

    A file of a million annotations, all in memory as Python has them, takes several gigabytes.

    Args:
        data: the file.
        size_of: asked for the size of an image of which the file does not tell it.
        budget: for the edges of polygons, where several files are one import.
        keeps_refused: whether the annotations that are refused are kept, as they are in the file.

    Raises:
        DatasetError: if the file as a whole is not COCO JSON.
    """

    def __init__(
        self,
        data: bytes,
        *,
        size_of: SizeOf = lambda _name: None,
        budget: EdgeBudget | None = None,
        keeps_refused: bool = False,
    ) -> None:
        ids: defaultdict[str, Ids] = defaultdict(Ids)
        left_out: list[tuple[str, str]] = []
        document = read_json_rows(
            data,
            lambda name, found: ids[name].see(found),
            lambda name, reason: left_out.append((name, reason)),
        )
        if not isinstance(document, dict):
            raise DatasetError(
                f"COCO file: expected an object with 'images', got {kind(document)}{_of_results(document)}"
            )
        keyed = _rows_of_objects(document, ids)
        budget = budget or EdgeBudget()
        budget.earn(len(data))
        self._lists = _Lists(document, Rows(size_of, budget), ids, keeps_refused=keeps_refused)
        rows = self._lists.rows
        for name in keyed:
            reason = "an object with a row under each key; read as a list"
            rows.mends.count("COCO file", None, f".{name}", reason)
        for name, reason in left_out:
            rows.mends.count("COCO file", None, f".{one_line(name[:MAX_NAME])}", reason)
        self.images = self._lists.one_of_each_name(
            self._lists.referred_to("images", _READ_OF_IMAGE, rows.image)
        )
        self.refused_image_count = len(self._lists.refusals)
        self.categories = tuple(
            row for _, row in self._lists.referred_to("categories", _READ_OF_CATEGORY, rows.category)
        )
        rows.refer_to((row.value for row in self.images), (row.value for row in self.categories))
        self.extra: Mapping[str, Json] = rows.extra("COCO file", None, _plain(document), _READ_OF_FILE)
        self.ours = ours_of(_plain(document, OURS))
        self.annotation_count = len(self._lists.of("annotations"))

    def annotations(self) -> Iterator[CocoRow[Instance] | CocoRow[GivenBox]]:
        """Return the annotations, with a mask or mere boxes, in the file's order; to be asked once."""
        return self._lists.instances("annotations")

    @property
    def largest_annotation_id(self) -> int:
        """The file's largest annotation id; rows without an id get later ones."""
        return self._lists.ids["annotations"].largest

    def raw_annotations(self) -> Iterator[Mapping[str, Json]]:
        """Return the annotations that are objects, unchecked, as they are in the file."""
        return (row for row in self._lists.of("annotations") if isinstance(row, dict))

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What cannot be used, by name, of what has been read so far; of very many the first."""
        return tuple(self._lists.refusals.first)

    @property
    def refused(self) -> tuple[str, ...]:
        """One sentence for each reason of all that cannot be used of what has been read so far."""
        return self._lists.refusals.sentences()

    @property
    def refused_count(self) -> int:
        """The number of refusals."""
        return len(self._lists.refusals)

    def kinds(self) -> Iterator[tuple[Refusal, int]]:
        """Yield the first of each kind of refusal and repair so far, with how many there are."""
        yield from self._lists.refusals.items()
        yield from self._lists.rows.mends.items()

    @property
    def notes(self) -> tuple[str, ...]:
        """What had to be repaired in what has been read so far: one sentence with a count for each kind."""
        return self._lists.rows.mends.sentences()

    def whole(self) -> CocoFile:
        """Return the whole file."""
        annotations: list[CocoRow[Instance]] = []
        boxes: list[CocoRow[GivenBox]] = []
        for row in self.annotations():
            if isinstance(row.value, GivenBox):
                boxes.append(row)
            else:
                annotations.append(row)
        return CocoFile(
            self.images,
            self.categories,
            tuple(annotations),
            tuple(boxes),
            self.extra,
            self.ours,
            self.refusals,
            self.notes,
            tuple(self._lists.refused_rows),
        )


def _rows_of_objects(document: dict[str, Json], ids: Mapping[str, Ids]) -> list[str]:
    """Make lists of objects that hold rows by key, as LIVECell's files for one cell line have them.

    Returns:
        The names of these lists.
    """
    names = []
    for name in ("images", "annotations", "categories"):
        rows = document.get(name)
        if isinstance(rows, dict) and rows and all(isinstance(row, dict) for row in rows.values()):
            document[name] = list(rows.values())
            ids[name].see(row.get("id") for row in rows.values())
            names.append(name)
    return names


def _of_results(document: Json) -> str:
    """Return what helps if somebody brings detections where a data set is wanted; else nothing."""
    first = next(iter(document), None) if isinstance(document, JsonRows) else None
    if not isinstance(first, dict) or not _OF_A_RESULT.issubset(first):
        return ""
    return (
        " that looks like COCO results: detections for a data set, which 'evaluate --results FILE' compares "
        "with the data set's own file"
    )


def _differ(row: Mapping[str, Json], other: Mapping[str, Json]) -> bool:
    """Return whether two rows are not the very same, or nested too deep to tell."""
    try:
        return row != other
    except RecursionError:
        return True


def _is_same_image(one: ImageRecord, other: ImageRecord) -> bool:
    """Return whether two images of one name have the same size, and no contents that differ."""
    digests = {record.digest for record in (one, other) if record.digest}
    return one.size == other.size and len(digests) < 2


def _plain(document: Mapping[str, Json], *names: str) -> dict[str, Json]:
    """Return members of a document, with all rows of their lists; but the lists that are read row by row."""
    return {
        name: list(value) if isinstance(value, JsonRows) else value
        for name, value in document.items()
        if (name in names if names else name not in _READ_OF_FILE)
    }


class _Lists:
    """A reader of one document's lists."""

    def __init__(
        self, document: Mapping[str, Json], rows: Rows, ids: Mapping[str, Ids], *, keeps_refused: bool = False
    ) -> None:
        self.document = document
        self.ids = ids
        self.rows = rows
        self.keeps_refused = keeps_refused
        self.refusals = Refusals()
        self.refused_rows: list[Mapping[str, Json]] = []

    def instances(self, name: str) -> Iterator[CocoRow[Instance] | CocoRow[GivenBox]]:
        """Yield the rows of a list that refers to images and categories: those with masks, and mere boxes.

        In the results form rows without a score are refused, and ids mean nothing.
        """
        rows, ids = self.rows, None if name == _RESULTS else self.ids[name]
        first = strange = 0
        for batch in self._batches(name):
            plain = {} if ids is None else rows.plain(batch)
            for index, row in self._objects(name, batch, first):
                if ids is not None and ids.is_again(row):
                    rows.mends.count(name, index, "", "an exact duplicate of an earlier row; counted once")
                    continue
                read: Annotation | GivenBox | None = plain.pop(index - first, None)
                if read is None:
                    try:
                        read = rows.annotation(name, index, row, ids is None)
                    except FieldError as error:
                        strange += "image_id" not in row
                        if strange > MAX_STRANGE_ROWS:
                            raise DatasetError(
                                f"{name}: expected annotations, got more than {MAX_STRANGE_ROWS} objects "
                                "without an image_id: this is not a data set"
                            ) from None
                        self._refuse(name, index, error)
                        if self.keeps_refused:
                            self.refused_rows.append(row)
                        continue
                id_, text = (index + 1, "") if ids is None else rows.annotation_id(name, index, row, ids)
                extra = rows.extra(name, index, row, _READ_OF_ANNOTATION)
                if isinstance(read, GivenBox):
                    yield CocoRow(read, row, id_, text, extra, index=index)
                else:
                    yield CocoRow(read.instance, row, id_, text, extra, read.polygons, read.is_listed, index)
            first += len(batch)

    def of(self, name: str) -> JsonRows | list[Json]:
        """Return a list of the document; raises :class:`DatasetError` if there is none."""
        rows = self.document.get(name)
        if not isinstance(rows, JsonRows | list):
            raise DatasetError(f"COCO file: expected a list {name!r}, got {kind(rows)}")
        return rows

    def _batches(self, name: str) -> Iterable[list[Json]]:
        rows = self.of(name)
        return rows.batches() if isinstance(rows, JsonRows) else [rows]

    def _objects(
        self, name: str, rows: Iterable[Json], first: int = 0
    ) -> Iterator[tuple[int, dict[str, Json]]]:
        """Yield the objects among rows of a list, with their index in it; the others are refused."""
        for index, row in enumerate(rows, start=first):
            if isinstance(row, dict):
                yield index, row
            else:
                self.refusals.add(Refusal(f"{name}[{index}]", "expected an object", kind(row)))

    def _refuse(self, name: str, index: int, error: FieldError) -> None:
        self.refusals.add(Refusal(f"{name}[{index}].{error.field}", error.reason, error.got))

    def referred_to(
        self,
        name: str,
        known: frozenset[str],
        read: Callable[[int, dict[str, Json], int, str], _T],
    ) -> Iterator[tuple[int, CocoRow[_T]]]:
        """Yield rows that others refer to, with their index.

        Those with an id that came before are left out.
        """
        ids = self.ids[name]
        most = _MOST[name]
        if len(self.of(name)) > most:
            raise DatasetError(f"{name}: expected at most {most:,}, got {len(self.of(name)):,}")
        seen: dict[int, dict[str, Json]] = {}
        for index, row in self._objects(name, self.of(name)):
            key = id_key(row.get("id"))
            try:
                if key is None:
                    raise FieldError("id", "expected a whole number or a text", kind(row.get("id")))
                id_ = ids.of(key)
                if id_ in seen:
                    if _differ(seen[id_], row):
                        raise FieldError("id", "an id that another row already has", kind(row["id"]))
                    self.rows.mends.count(
                        name, index, "", "an exact duplicate of an earlier row; counted once"
                    )
                    continue
                text = self.rows.text_id(name, index, row, key)
                value = read(index, row, id_, text)
            except FieldError as error:
                self._refuse(name, index, error)
                continue
            seen[id_] = row
            yield index, CocoRow(value, row, id_, text, self.rows.extra(name, index, row, known))

    def one_of_each_name(
        self, rows: Iterable[tuple[int, CocoRow[ImageRecord]]]
    ) -> tuple[CocoRow[ImageRecord], ...]:
        """Return rows without those whose file name came before.

        These are the same image, if what is known of it is the same; else they are refused.
        """
        first: dict[str, CocoRow[ImageRecord]] = {}
        for index, row in rows:
            name = row.value.file_name
            kept = first.setdefault(name, row)
            if kept is row:
                continue
            if _is_same_image(kept.value, row.value):
                self.rows.join(row.value, kept.value)
                reason = "a second row of an image; its annotations are those of the first"
                self.rows.mends.count("images", index, ".file_name", reason, name)
            else:
                self.refusals.add(
                    Refusal(f"images[{index}].file_name", "a name that another one already has", repr(name))
                )
        return tuple(first.values())
