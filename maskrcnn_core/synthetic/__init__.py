"""Drawn pictures whose objects are known exactly: samples, scenes, microscopy."""
