"""Files of each image, written into folders while a run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

from maskrcnn_core.batch.resume_log import writing
from maskrcnn_core.batch.running import Result
from maskrcnn_core.dataset.annotations import AnnotatedImage
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.formats.arrays import npz_members
from maskrcnn_core.formats.base import Export, Member, stems_of, write_folder
from maskrcnn_core.formats.label_maps import LABEL_MAPS
from maskrcnn_core.formats.pictures import (
    overlay_members,
    segment_members,
    splash_members,
)
from maskrcnn_core.images.reading import SourceImage

__all__ = ["NO_FOLDERS", "ImageFolders"]


@dataclass(frozen=True)
class ImageFolders:
    """Where what is drawn and cut out of each image goes, or ``None`` where it is not wanted.

    Args:
        segments: for each instance's segment and mask.
        overlays: for each image with its instances drawn on it.
        masks: for each image's mask arrays and label maps.
        splash: for each image, grey but for its instances.
    """

    segments: Path | None = None
    overlays: Path | None = None
    masks: Path | None = None
    splash: Path | None = None

    @property
    def named(self) -> dict[str, Path | None]:
        """All of them by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def write(self, result: Result, source: SourceImage, categories: tuple[Category, ...]) -> list[str]:
        """Write an image's files, and give the formats' notes on them.

        Raises:
            ExportError: if one cannot be written.
        """
        notes: list[str] = []
        image = AnnotatedImage(result.record, result.instances, lambda: source.pixels)
        export = Export((image,), categories)
        for folder, formats in (
            (self.segments, (segment_members,)),
            (self.overlays, (overlay_members,)),
            (self.masks, (npz_members, LABEL_MAPS.members)),
            (self.splash, (splash_members,)),
        ):
            if folder is None:
                continue
            for members in formats:
                with writing(folder):
                    notes += write_folder(_renamed(result.task.stem, export, members(export)), folder)
        return notes


NO_FOLDERS = ImageFolders()


def _renamed(stem: str, export: Export, members: Iterator[Member]) -> Iterator[Member]:
    """Rename a member whose name another folder's image has: a format sees only one image."""
    (own,) = stems_of(export)
    for member in members:
        yield replace(member, name=stem + member.name.removeprefix(own))
