"""Boxes, run lengths and polygons: pure functions of arrays."""
