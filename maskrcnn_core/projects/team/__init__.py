"""Several people on one project: who is there, and what they have to do with one another."""
