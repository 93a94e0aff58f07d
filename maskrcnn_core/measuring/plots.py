"""Measurements as one picture: how each is spread over the objects of every category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np

from maskrcnn_core.common.one_line import counted, one_line, shortened
from maskrcnn_core.errors import ExportError

__all__ = ["plot_spread"]

_BINS = 24
_COLUMNS = 3
_MOST_CATEGORIES = 8
_LONGEST = 28


def plot_spread(
    columns: Mapping[str, Sequence[float | None]], categories: Sequence[str], colors: Mapping[str, str]
) -> bytes:
    """Return a PNG of histograms, one for each column.

    Args:
        columns: by title, the values of all objects; ``None`` where one has none.
        categories: of all objects, in the same order.
        colors: ``#rrggbb`` by category.

    Raises:
        ExportError: if matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ExportError(
            'the plot needs matplotlib, which is not installed: pip install "maskdesk[measure]"'
        ) from error
    kept = {name: values for name, values in columns.items() if any(v is not None for v in values)}
    rows = max(1, -(-len(kept) // _COLUMNS))
    figure = Figure(figsize=(4 * _COLUMNS, 3 * rows), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    names = sorted(set(categories), key=lambda name: -list(categories).count(name))[:_MOST_CATEGORIES]
    for place, (title, values) in enumerate(kept.items(), start=1):
        axes = figure.add_subplot(rows, _COLUMNS, place)
        parts = [
            [v for v, of in zip(values, categories, strict=True) if of == name and v is not None]
            for name in names
        ]
        edges = np.histogram_bin_edges([v for part in parts for v in part], bins=_BINS)
        axes.hist(
            parts,
            bins=list(edges),
            stacked=True,
            color=[colors.get(name, "#808080") for name in names],
            label=[shortened(one_line(name), _LONGEST).replace("$", r"\$") for name in names],
        )
        axes.set_xlabel(one_line(title).replace("$", r"\$"))
        axes.set_ylabel("objects")
        if place == 1:
            axes.legend(fontsize="small")
    left = len(set(categories)) - len(names)
    more = f"; {counted(left, 'rarer category is', 'rarer categories are')} not drawn" if left > 0 else ""
    figure.suptitle(f"{counted(len(categories), 'object')}{more}")
    out = BytesIO()
    canvas.print_png(out, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return out.getvalue()
