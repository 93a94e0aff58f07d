"""Annotates any number of images in shards, from folders, archives, lists and stores, and joins them."""
