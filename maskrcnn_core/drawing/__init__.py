"""Instances drawn on images, and the panels that explain a network."""
