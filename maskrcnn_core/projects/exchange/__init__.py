"""What comes into a project and what leaves it: images, COCO files, whole folders."""
