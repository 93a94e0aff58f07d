"""Stacks among a person's open images: what there is to choose, and what is chosen as an image of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.dataset.annotations import UniqueNames
from maskrcnn_core.errors import ImageError, InputError
from maskrcnn_core.images.microscopes.table import MICROSCOPE_SUFFIXES
from maskrcnn_core.microscopy.compositing import render
from maskrcnn_core.microscopy.seen_files import make_seen_file, seen_of
from maskrcnn_core.microscopy.stacks import Stack, is_stack_file, open_stack
from maskrcnn_core.microscopy.views import View
from maskrcnn_core.workspace.open_images import OpeningReport
from maskrcnn_core.workspace.recent import Recent
from maskrcnn_core.workspace.workspace import Workspace

__all__ = ["OpenStack", "OpenStacks"]

_KEPT = 2  # stacks whose files are in memory
_KINDS_KEPT = 1000


@dataclass(frozen=True, eq=False)
class OpenStack:
    """The stack that an image is, or is a view of.

    Args:
        stack: of the file.
        digest: SHA-256 of its file in hex.
        name: the file's.
        view: what is seen of it in the image; ``None`` for its first page.
    """

    stack: Stack
    digest: str
    name: str
    view: View | None


class OpenStacks:
    """The stacks of one workspace.

    Args:
        workspace: with the images.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._stacks: Recent[Stack] = Recent(_KEPT)
        self._sources: Recent[tuple[str, View | None] | None] = Recent(_KINDS_KEPT)

    def of(self, digest: str) -> OpenStack | None:
        """Return the stack that an open image is, or is a view of.

        ``None`` for what has nothing to choose from, and for a view whose stack is not open.

        Raises:
            ImageError: if its file is not there any more as it came.
        """
        source = self._sources.get(digest, lambda: self._source_of(digest))
        if source is None or source[0] not in self._workspace.images:
            return None
        where, view = source
        name = self._workspace.images[where].name
        stack = self._stacks.get(where, lambda: open_stack(self._workspace.original(where), name))
        return OpenStack(stack, where, name, view)

    def see(self, digest: str, view: View) -> OpeningReport:
        """Open what is chosen of a stack as an image of its own; the stack and other choices stay open.

        Args:
            digest: of the stack, or of an image that is a view of it.
            view: what is chosen.
        """
        try:
            there = self.of(digest)
            if there is None:
                name = self._workspace.images[digest].name
                raise ImageError(f"{name}: expected its stack among the open images, got none; open it again")
            data = make_seen_file(there.stack, view, there.digest)
        except InputError as error:
            return OpeningReport(refused=(str(error),))
        names = UniqueNames(image.name for image in self._workspace.images.values())
        return self._workspace.add(names.take(_name_of(there, view)), data)

    def preview(self, digest: str, view: View) -> Pixels:
        """Return what a view shows of an image's stack, uint8 ``[H, W, 3]``.

        Raises:
            InputError: if there is no such page, slice or channel.
        """
        there = self.of(digest)
        if there is None:
            raise InputError("expected an image whose stack is open")
        return render(there.stack, view)

    def _source_of(self, digest: str) -> tuple[str, View | None] | None:
        data, name = self._workspace.original(digest), self._workspace.images[digest].name
        if not is_stack_file(data):
            return None
        try:
            if (seen := seen_of(data, name)) is not None:
                return seen.source_digest, seen.view
            return (digest, None) if open_stack(data, name).is_choosable else None
        except ImageError:  # it is open as an image, and holds nothing that could be chosen
            return None


def _name_of(there: OpenStack, view: View) -> str:
    """Return the file's name with what was chosen before its suffix: ``cells (z max, 1+2).tif``."""
    stack = there.stack
    resolved = stack.resolve(view)
    numbers = [str(one.channel) for one in resolved.channels]
    parts = [
        f"page {resolved.page}" if stack.pages > 1 else "",
        f"z {resolved.z}" if stack.slices > 1 else "",
        f"channel {'+'.join(numbers)}" if len(numbers) < len(stack.channels) else "",
    ]
    said = ", ".join(filter(None, parts)) or "seen"
    path = PurePosixPath(there.name)
    suffix = ".tif" if path.suffix.lower() in MICROSCOPE_SUFFIXES else path.suffix  # a view is a TIFF
    return f"{there.name.removesuffix(path.suffix)} ({said}){suffix}"
