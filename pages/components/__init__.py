"""What runs in the browser: each component's Python side, and its scripts under ``web``."""
