"""How fast MaskDesk's core is beside stock torchvision and pycocotools, and that both say the same.

``python -m benchmarks`` runs all; see :mod:`benchmarks.__main__` for the table of benchmarks.
"""
