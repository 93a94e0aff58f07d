"""Pictures too large to be held, read by windows: pyramids, tiled TIFFs and whole slides; untrusted."""
