"""Open images of one person, for tests."""

from maskrcnn_core.workspace import Workspace


def finish(workspace: Workspace) -> None:
    """Wait until the network has done with all of them."""
    for queued in workspace._queued.values():
        assert queued.wait(60)
