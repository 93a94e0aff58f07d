"""A process that runs a model over images of shards: ``python -m maskrcnn_core.shards.worker``."""

from maskrcnn_core.batch.worker import runner_of, serve
from maskrcnn_core.shards.entries import Reader

if __name__ == "__main__":
    serve(runner_of(Reader().bytes_of))
