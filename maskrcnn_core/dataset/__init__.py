"""What people keep: categories, images and instances."""
