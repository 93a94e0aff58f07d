"""What training sees, before an hour is spent on it: samples, and the targets of anchors, regions and masks.

``watching`` takes a step of the loop up to its losses and notes what passes, ``counting`` counts it,
``recall`` asks how many objects the proposals of a trained network reach, ``findings`` says in words what
looks wrong, ``pictures`` draws and ``report`` puts all of it into one HTML file. Nothing here decides what is
learned: the functions that do are the loop's own.
"""
