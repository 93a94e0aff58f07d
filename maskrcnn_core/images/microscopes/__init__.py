"""Files of microscopes' own formats, read by our own code as the stacks that they hold."""
