"""How the photo model in the box is made: ``make photos``, on two cores and in hours instead of weeks.

What a general run (:mod:`maskrcnn_core.training.loop`) does for any network and any data is given up here for
speed: masks are learned as small squares on their boxes, the first stages and all depthwise kernels of the
body stay as they are, and each core works on its own batch (docs/adr/0022).
"""
