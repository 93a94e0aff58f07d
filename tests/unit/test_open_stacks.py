"""Stacks among open images: each choice is an image of its own, and all stay."""

import numpy as np
import pytest

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.microscopy.views import View, view_of
from maskrcnn_core.workspace import Workspace
from maskrcnn_core.workspace.stacks import OpenStacks
from tests.builders.core import make_image
from tests.builders.microscopes import PIXEL, czi, lif, nd2
from tests.builders.stacks import numbered, ome, tiff

STACK = ome(numbered(1, 4, 2, (64, 80)), names=("DAPI", "GFP"), pixel=0.5)


@pytest.fixture
def workspace():
    return Workspace()


def test_each_choice_is_an_image_of_its_own(workspace):
    (stack,) = workspace.add("cells.tif", STACK).added
    assert workspace.images[stack].pixel_um == (0.5, 0.5)
    assert workspace.images[stack].notes[0] == "first of 8 frames"
    stacks = OpenStacks(workspace)
    there = stacks.of(stack)
    assert there is not None and there.view is None and there.stack.slices == 4
    (first,) = stacks.see(stack, view_of(z="max")).added
    # From a view the same stack is chosen from, and the same choice is there once.
    (second,) = stacks.see(first, view_of(z="2", channels="GFP")).added
    assert stacks.see(stack, view_of(z="max")).known and len(workspace.images) == 3
    names = [image.name for image in workspace.images.values()]
    assert names == ["cells.tif", "cells (z max).tif", "cells (z 2, channel 2).tif"]
    seen = workspace.images[second]
    assert seen.view == "page=1;z=2;channels=2:#ffffff;contrast=2:0.1%..99.9%"
    assert seen.pixel_um == (0.5, 0.5)
    again = stacks.of(second)
    assert again is not None and again.view == View.of_text(seen.view) and again.digest == stack
    assert np.array_equal(workspace.pixels(second), stacks.preview(stack, view_of(z="2", channels="2")))


@pytest.mark.parametrize(("write", "name"), [(czi, "cells.czi"), (lif, "cells.LIF"), (nd2, "cells.nd2")])
def test_files_of_microscopes_are_chosen_from_and_views_of_them_are_tiffs(write, name, workspace):
    (stack,) = workspace.add(name, write(numbered(1, 4, 2, (64, 80)))).added
    assert workspace.images[stack].pixel_um == pytest.approx((PIXEL, PIXEL))
    (seen,) = OpenStacks(workspace).see(stack, view_of(z="max")).added
    assert workspace.images[seen].name == "cells (z max).tif"
    again = OpenStacks(workspace).of(seen)
    assert again is not None and again.digest == stack and again.name == name


def test_names_of_choices_do_not_hide_one_another(workspace):
    (stack,) = workspace.add("cells.tif", STACK).added
    stacks = OpenStacks(workspace)
    for contrast in ("full", "1%..99%"):
        assert stacks.see(stack, view_of(z="max", contrast=contrast)).added
    names = [image.name for image in workspace.images.values()]
    assert names == ["cells.tif", "cells (z max).tif", "cells (z max) (2).tif"]


def test_choices_outlive_the_workspace(workspace, tmp_path):
    (stack,) = workspace.add("cells.tif", STACK).added
    (seen,) = OpenStacks(workspace).see(stack, view_of(z="max")).added
    workspace.keep_in(tmp_path / "kept")
    later = Workspace()
    later.keep_in(tmp_path / "kept")
    assert later.images == workspace.images
    there = OpenStacks(later).of(seen)
    assert there is not None and there.digest == stack


def test_there_is_nothing_to_choose_from_other_images(workspace):
    files = {
        "a.png": encode_png(make_image()),
        "b.tif": tiff(make_image(), photometric="rgb"),
        "c.tif": tiff(make_image()[:, :, 0], photometric="minisblack"),
    }
    stacks = OpenStacks(workspace)
    for name, data in files.items():
        (digest,) = workspace.add(name, data).added
        assert stacks.of(digest) is None
        assert stacks.see(digest, View()).refused == (
            f"{name}: expected its stack among the open images, got none; open it again",
        )


def test_a_view_whose_stack_was_closed_stays_an_image(workspace):
    (stack,) = workspace.add("cells.tif", STACK).added
    stacks = OpenStacks(workspace)
    (seen,) = stacks.see(stack, view_of(z="max")).added
    workspace.remove([stack])
    assert stacks.of(seen) is None and workspace.pixels(seen).shape == (64, 80, 3)
    workspace.reopen()
    assert stacks.of(seen) is not None


def test_what_a_stack_does_not_have_is_said(workspace):
    (stack,) = workspace.add("cells.tif", STACK).added
    report = OpenStacks(workspace).see(stack, view_of(z="9"))
    assert report.refused == ("cells.tif: expected z 1 to 4, got 9",) and not report.added
