"""A batch's whole way through a Mask R-CNN in steps of fixed shapes, without a look at any value in between.

What is decided is what :mod:`maskrcnn_core.inference.forward` decides, step by step. There each step waits
for the one before it, as the number of boxes that are left shapes the next; a GPU stands still meanwhile.
Here boxes that are gone keep their place, and the processor learns of all at the end, in one transfer.
"""
