"""A Parquet table (https://parquet.apache.org) with a row for each instance, masks as COCO's run lengths.

Images without instances have a row without a category, so that none is lost.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from maskrcnn_core.errors import DatasetError, ExportError
from maskrcnn_core.formats.base import Export, Format, Member, named_images
from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.reader import GivenFile, Reader, Surroundings, beside, size_in
from maskrcnn_core.geometry.rle import Rle

__all__ = ["PARQUET"]

_ROWS_AT_ONCE = 10_000
_COLUMNS = (
    "image_id", "file_name", "width", "height", "number", "category_id", "category", "score", "is_crowd",
    "area", "x", "y", "box_width", "box_height", "counts",
)  # fmt: skip
_INTEGERS = frozenset(
    {"image_id", "width", "height", "number", "category_id", "area", "x", "y", "box_width", "box_height"}
)


def _needed() -> str:
    if find_spec("pyarrow") is None:
        return 'Parquet needs a package that is not installed (pyarrow): pip install "maskdesk[stores]"'
    return ""


def _members(export: Export) -> Iterator[Member]:
    if why := _needed():
        raise ExportError(why)
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {key: pa.int64() if key in _INTEGERS else pa.string() for key in _COLUMNS}
    kinds |= {"score": pa.float64(), "is_crowd": pa.bool_()}
    categories = json.dumps([[c.id, c.name, c.supercategory] for c in export.categories])
    schema = pa.schema(list(kinds.items()), metadata={"maskdesk.categories": categories})
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, schema, compression="zstd") as writer:
        batch: list[dict[str, Any]] = []
        for row in _rows(export):
            batch.append(row)
            if len(batch) == _ROWS_AT_ONCE:
                writer.write_table(pa.Table.from_pylist(batch, schema))
                batch = []
        writer.write_table(pa.Table.from_pylist(batch, schema))
    yield Member("annotations.parquet", buffer.getvalue())


def _rows(export: Export) -> Iterator[dict[str, Any]]:
    names = export.names
    for _, name, image in named_images(export):
        record = image.record
        facts = {
            "image_id": record.id,
            "file_name": name.encode("utf-8", "replace").decode(),
            "width": record.width,
            "height": record.height,
        }
        if not image.instances:
            yield facts
        for number, instance in enumerate(image.instances, start=1):
            x, y, width, height = instance.box_xywh
            yield facts | {
                "number": number,
                "category_id": instance.category_id,
                "category": names[instance.category_id].encode("utf-8", "replace").decode(),
                "score": instance.score,
                "is_crowd": instance.is_crowd,
                "area": instance.area,
                "x": x,
                "y": y,
                "box_width": width,
                "box_height": height,
                "counts": instance.mask.counts,
            }


def _recognise(file: GivenFile) -> bool:
    return file.data[:4] == b"PAR1" and b"counts" in file.data[-65536:] and b"file_name" in file.data[-65536:]


def _read(files: Sequence[GivenFile], _surroundings: Surroundings, draft: Draft) -> None:
    if why := _needed():
        for file in files:
            draft.refuse(file.path, why)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    for file in files:
        try:
            table = pq.ParquetFile(io.BytesIO(file.data))
            listed = (table.schema_arrow.metadata or {}).get(b"maskdesk.categories", b"[]")
            for id_, name, above in json.loads(listed):
                draft.category(str(name), id=int(id_), supercategory=str(above))
            order = 0
            for batch in table.iter_batches(_ROWS_AT_ONCE):
                for row in batch.to_pylist():
                    _read_row(f"{file.path}: row {order}", file, row, draft)
                    order += 1
        except (pa.ArrowException, OSError, ValueError, TypeError) as error:
            draft.refuse(file.path, f"cannot be read as Parquet ({str(error).splitlines()[0]})")


def _read_row(place: str, file: GivenFile, row: dict[str, Any], draft: Draft) -> None:
    name, size = row.get("file_name"), size_in(row, "height", "width")
    if not isinstance(name, str) or not name or size is None:
        draft.refuse(place, "expected file_name, width and height")
        return
    image_id, category_id = row.get("image_id"), row.get("category_id")
    image = draft.image(beside(file, name), size, id=image_id if isinstance(image_id, int) else None)
    if not isinstance(row.get("counts"), str):
        return
    label = row.get("category")
    category = draft.category(
        label if isinstance(label, str) else "", id=category_id if isinstance(category_id, int) else None
    )
    try:
        mask = Rle.from_counts(row["counts"], size)
    except DatasetError as error:
        draft.refuse(place, f"counts: {error}")
        return
    draft.mask(place, image, category, mask, score=row.get("score"), iscrowd=bool(row.get("is_crowd")))


PARQUET = Format(
    key="parquet",
    title="Parquet",
    suffix=".parquet",
    mime="application/vnd.apache.parquet",
    holds="One table with a row for each instance: image, category, score, area, box, run lengths.",
    loses="",
    members=_members,
    count=lambda _export: 1,
    kept=frozenset(
        {"mask", "overlap", "crowd", "score", "category name", "category id", "image id", "order"}
    ),
    reader=Reader(
        suffixes=frozenset({".parquet"}),
        recognise=_recognise,
        read=_read,
        recognised_as="Parquet with the columns file_name and counts",
    ),
    used_by="pandas, Polars, DuckDB, datasets",
    judge="pyarrow, pandas, datasets",
)
