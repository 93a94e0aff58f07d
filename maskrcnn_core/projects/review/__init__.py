"""What is to be reviewed: doubts, queues and how far a project is."""
