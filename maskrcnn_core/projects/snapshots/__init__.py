"""Named versions of a project: kept, compared, brought back and exported."""
