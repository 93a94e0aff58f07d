"""The parts of the How it works page."""
