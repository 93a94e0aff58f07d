"""Projects on disk: images, categories, instances, and a journal of every decision."""
