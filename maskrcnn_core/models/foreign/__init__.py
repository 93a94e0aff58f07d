"""Checkpoints of other projects' Mask R-CNN: what is in the file, and which network it is for."""
