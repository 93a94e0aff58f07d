"""Training of any Mask R-CNN that MaskDesk runs: from random values, or from a model of the table.

``settings`` says what is wanted, ``starting`` makes the network, ``loading`` and ``augmentation`` make the
batches, ``loop`` trains and can be killed at any moment, ``artifacts`` writes weights, log and curves.
"""
