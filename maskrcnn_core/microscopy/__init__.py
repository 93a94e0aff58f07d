"""Stacks of microscopes: pages, slices and channels, what of them is seen, how large a pixel is."""
