"""How good detections are: ground truth, COCO's numbers, and why a number is what it is."""
