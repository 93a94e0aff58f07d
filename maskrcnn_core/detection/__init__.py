"""What a network said of an image, before and after thresholds."""
