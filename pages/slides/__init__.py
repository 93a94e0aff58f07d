"""The Slides page."""
