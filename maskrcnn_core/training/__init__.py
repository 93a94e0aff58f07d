"""Training of any Mask R-CNN that MaskDesk runs: from random values, or from a model of the table.

``settings`` says what is wanted, ``data`` and ``augmentation`` make the batches, ``networks`` makes the
network, ``run`` trains it and can be killed at any moment, ``evaluating`` measures it, ``log`` writes what
happened as a table and a picture.
"""
