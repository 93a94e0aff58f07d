"""The release of MaskDesk, for modules that the package itself imports."""

__all__ = ["__version__"]

__version__ = "0.1.dev0"
