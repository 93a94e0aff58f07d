"""From images that somebody looks at to a project in which they are corrected and kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maskrcnn_core.dataset.annotations import AnnotatedImage, Dataset
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.formats.coco import coco_document
from maskrcnn_core.formats.coco_fields import OURS
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.store import Store

__all__ = ["HandedOver", "hand_over", "missing_images"]


@dataclass(frozen=True)
class HandedOver:
    """An image with all that is shown on it, and its file.

    Args:
        image: its instances become proposals.
        data: the bytes of the file that it came from.
    """

    image: AnnotatedImage
    data: bytes


def missing_images(store: Store, project_id: int, digests: Iterable[str]) -> list[str]:
    """Return those of some images, by digest, that a project does not have."""
    there = {row.digest for row in store.images(project_id)}
    return [digest for digest in digests if digest not in there]


def hand_over(
    store: Store,
    project_id: int,
    who: str,
    handed: Sequence[HandedOver],
    categories: Sequence[Category],
    source: str,
) -> None:
    """Take images with what a model found on them into a project, as proposals.

    Images that the project has are left as they are: what people made of them there counts.

    Args:
        store, project_id, who: where, and whose decision.
        handed: images with their instances.
        categories: the model's.
        source: key of the model, as the instances' origin.

    Raises:
        StoreError: if the store cannot be written; then nothing was taken in.
    """
    wanted = set(missing_images(store, project_id, (one.image.record.digest for one in handed)))
    fresh = [one for one in handed if one.image.record.digest in wanted]
    dataset = Dataset.of_images([one.image for one in fresh], categories)
    document = coco_document(dataset)
    for annotation in document["annotations"]:
        annotation[OURS] = {"status": "proposed", "source": source}
    # The data set's own names: of two images of one name it has numbered one.
    files = {row["file_name"]: one.data for row, one in zip(document["images"], fresh, strict=True)}
    import_coco(store, project_id, who, dump_json(document), files.get)
