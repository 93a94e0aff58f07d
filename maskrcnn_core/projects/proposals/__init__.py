"""What models propose in a project: jobs, their worker, and boxes that people draw."""
