"""MaskRCNN2Go, Facebook's Mask R-CNN for phones."""
