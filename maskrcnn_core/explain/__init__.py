"""A Mask R-CNN explained from its own run: stages, fates of boxes, pictures, report and notebook."""
