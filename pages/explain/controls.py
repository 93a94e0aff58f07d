"""Controls of the panels, which keep their values while other stages and pages are looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from pages.explain.session import ExplainUi

__all__ = ["choose_number", "choose_one", "choose_row", "switch"]


def choose_one(ui: ExplainUi, key: str, label: str, options: Sequence[str]) -> str:
    """Choose one of a few words, all in sight."""
    kept = ui.choices.get(key)
    default = kept if isinstance(kept, str) and kept in options else options[0]
    chosen = st.segmented_control(label, options, default=default, key=f"explain-{key}", required=True)
    ui.choices[key] = chosen
    return chosen or options[0]


def choose_row(ui: ExplainUi, key: str, label: str, count: int, name: Callable[[int], str]) -> int:
    """Choose one of many rows by its name; names must differ, because Streamlit identifies rows by them."""
    kept = ui.choices.get(key)
    index = kept if isinstance(kept, int) and kept < count else 0
    # Rows of another image or model are another list: a chosen place means nothing in it.
    chosen = st.selectbox(
        label,
        range(count),
        index,
        format_func=name,
        key=f"explain-{key}-{hash(tuple(map(name, range(count))))}",
    )
    ui.choices[key] = chosen
    return chosen


def choose_number(
    ui: ExplainUi,
    key: str,
    label: str,
    least: float,
    most: float,
    default: float,
    step: float,
) -> float:
    """Choose a number within a range."""
    kept = ui.choices.get(key)
    value = float(kept) if isinstance(kept, int | float) and least <= kept <= most else default
    form = "%d" if float(step).is_integer() else "%.2f"
    chosen: float = st.slider(
        label,
        float(least),
        float(most),
        float(value),
        float(step),
        key=f"explain-{key}-{most:g}",
        format=form,
    )
    ui.choices[key] = chosen
    return chosen


def switch(ui: ExplainUi, key: str, label: str, default: bool, *, help: str = "") -> bool:
    """Choose on or off."""
    chosen = st.toggle(label, bool(ui.choices.get(key, default)), key=f"explain-{key}", help=help or None)
    ui.choices[key] = chosen
    return chosen
