"""Runs models on the computers of a Ray cluster: over the shards of a large run, or a project's images."""
