"""From an image to detections: one way through the network, and the device queue before it."""
