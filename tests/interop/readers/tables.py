"""Judges of tables: Hugging Face's image folder, Parquet, NumPy's arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.interop.judging import Seen


def hugging_face(folder: Path) -> Iterator[Seen]:
    from datasets import Image, load_dataset
    from pycocotools import mask as api

    data = load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(folder / "cache"), split="train")
    paths = data.cast_column("image", Image(decode=False))["image"]
    for row, file in zip(data, paths, strict=True):
        width, height = row["image"].size
        assert (width, height) == (row["width"], row["height"])
        objects = row["objects"]
        for number, outline in enumerate(objects["segmentation"]):
            if isinstance(outline, Mapping):
                runs = {"size": list(outline["size"]), "counts": outline["counts"]}
                mask = api.decode(runs)
            else:
                mask = api.decode(api.merge(api.frPyObjects([list(ring) for ring in outline], height, width)))
            yield Seen(file["path"], mask, objects["category"][number], objects["score"][number])


def parquet_pyarrow(folder: Path) -> Iterator[Seen]:
    import pyarrow.parquet as pq

    for row in pq.read_table(folder / "annotations.parquet").to_pylist():
        if row["counts"] is not None:
            yield _seen_of_row(row)


def parquet_pandas(folder: Path) -> Iterator[Seen]:
    import pandas as pd

    table = pd.read_parquet(folder / "annotations.parquet")
    for row in table[table["counts"].notna()].to_dict("records"):
        yield _seen_of_row(row)


def parquet_datasets(folder: Path) -> Iterator[Seen]:
    from datasets import load_dataset

    file = str(folder / "annotations.parquet")
    data = load_dataset("parquet", data_files=file, cache_dir=str(folder / "cache"), split="train")
    for row in data:
        if row["counts"] is not None:
            yield _seen_of_row(row)


def _seen_of_row(row: Mapping[str, Any]) -> Seen:
    from pycocotools import mask as api

    size = [int(row["height"]), int(row["width"])]
    mask = api.decode({"size": size, "counts": row["counts"]})
    return Seen(row["file_name"], mask, row["category"], row["score"])


def numpy(folder: Path) -> Iterator[Seen]:
    for path in sorted(folder.glob("*_masks.npz")):
        with np.load(path) as found:
            for number, (name, score) in enumerate(zip(found["names"], found["scores"], strict=True)):
                mask = found["masks"][..., number]
                yield Seen(path.stem.removesuffix("_masks") + ".png", mask, str(name), float(score))
