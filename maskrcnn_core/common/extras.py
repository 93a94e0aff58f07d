"""What is installed only on request: the extras of the distribution ``maskdesk``."""

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType

__all__ = ["EXTRAS", "missing_extra"]

EXTRAS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "app": ("streamlit", "pandas", "plotly"),
        "train": ("matplotlib",),
        "postgres": ("psycopg",),
        "openvino": ("openvino",),
        "stores": ("pyarrow", "s3fs"),
        "ray": ("ray", "pandas", "pyarrow"),
        "serve": ("fastapi", "uvicorn"),
    }
)
"""Modules without which an extra's part of MaskDesk cannot work."""


def missing_extra(extra: str, what: str) -> str:
    """Say in one sentence what has to be installed first; empty if everything is there.

    Args:
        extra: a key of :data:`EXTRAS`.
        what: the part of MaskDesk that needs it, as the sentence's subject.
    """
    absent = [module for module in EXTRAS[extra] if find_spec(module) is None]
    if not absent:
        return ""
    return (
        f'{what} needs packages that are not installed ({", ".join(absent)}): pip install "maskdesk[{extra}]"'
    )
