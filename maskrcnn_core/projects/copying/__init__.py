"""Projects copied: one into a new one, or one into another that is there."""
