"""Objects measured: their size and shape, and the values of each channel within them."""
