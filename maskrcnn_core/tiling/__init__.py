"""Large pictures in tiles: where the tiles lie, what is found in each, and one set of objects of all."""
