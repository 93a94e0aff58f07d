"""The models that MaskDesk knows: their table, weights, cards and domains."""
