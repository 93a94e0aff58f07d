"""What people did in a project, how long it took, and how far they agree."""
