"""Controls of the panels, which keep their values while other stages and pages are looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from pages.ui.walk.state import WalkUi

__all__ = ["choose_number", "choose_one", "choose_row", "switch"]


def choose_one(ui: WalkUi, key: str, label: str, options: Sequence[str]) -> str:
    """One of a few words, all in sight."""
    kept = ui.choices.get(key)
    default = kept if isinstance(kept, str) and kept in options else options[0]
    chosen = st.segmented_control(label, options, default=default, key=f"walk-{key}", required=True)
    ui.choices[key] = chosen
    return chosen or options[0]


def choose_row(ui: WalkUi, key: str, label: str, count: int, name: Callable[[int], str]) -> int:
    """One of many rows, by its name; no two may have the same, as Streamlit knows them by that."""
    kept = ui.choices.get(key)
    index = kept if isinstance(kept, int) and kept < count else 0
    # Rows of another image or model are another list: a chosen place means nothing in it.
    chosen = st.selectbox(
        label, range(count), index, format_func=name, key=f"walk-{key}-{hash(tuple(map(name, range(count))))}"
    )
    ui.choices[key] = chosen
    return chosen


def choose_number(
    ui: WalkUi,
    key: str,
    label: str,
    least: float,
    most: float,
    default: float,
    step: float,
    *,
    help: str = "",
) -> float:
    """A number within a range."""
    kept = ui.choices.get(key)
    value = float(kept) if isinstance(kept, int | float) and least <= kept <= most else default
    form = "%d" if float(step).is_integer() else "%.2f"
    chosen: float = st.slider(
        label,
        float(least),
        float(most),
        float(value),
        float(step),
        key=f"walk-{key}-{most:g}",
        format=form,
    )
    ui.choices[key] = chosen
    return chosen


def switch(ui: WalkUi, key: str, label: str, default: bool, *, help: str = "") -> bool:
    """On or off."""
    chosen = st.toggle(label, bool(ui.choices.get(key, default)), key=f"walk-{key}", help=help or None)
    ui.choices[key] = chosen
    return chosen
