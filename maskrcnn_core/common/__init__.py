"""What every other package may use: bounds, messages, files, JSON; it knows nothing of images or models."""
