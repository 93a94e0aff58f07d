"""The choice of what is seen of a stack: page, slice, channels with their colours, contrast."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.errors import InputError
from maskrcnn_core.images.reading import cut_to
from maskrcnn_core.microscopy.stacks import Stack
from maskrcnn_core.microscopy.views import MAX, View, view_of
from maskrcnn_core.workspace.stacks import OpenStack, OpenStacks
from pages.shared.pressing import pressed
from pages.shared.session import UiState
from pages.shared.texts import cell, plain, show_core_errors

__all__ = ["draw_stack"]

_PREVIEW = 300  # pixels of the longer side
_CONTRASTS = ("auto", "full", "0.35%..99.65%", "2%..98%")


@dataclass
class _Stacks:
    """The stacks of a session, for the workspace that they are of."""

    stacks: OpenStacks | None = None
    of: object = None

    def here(self, state: UiState) -> OpenStacks:
        """Return them; another workspace has others."""
        if self.stacks is None or self.of is not state.workspace:
            self.stacks, self.of = OpenStacks(state.workspace), state.workspace
        return self.stacks


def draw_stack(state: UiState) -> None:
    """Draw the choice where the image that is looked at is a stack, or a view of one."""
    digest = state.current
    if digest is None or digest not in state.workspace.images:
        return
    with show_core_errors():
        stacks = state.of(_Stacks).here(state)
        there = stacks.of(digest)
        if there is None:
            return
        with st.popover("Stack", icon=":material/layers:", key="stack"):
            _draw_choice(state, stacks, there, digest)


def _draw_choice(state: UiState, stacks: OpenStacks, there: OpenStack, digest: str) -> None:
    stack, key = there.stack, there.digest[:12]
    st.caption(plain(f"{there.name}: {stack.text}{_told_size(stack)}"))
    shown = there.view or stack.resolve(View())
    page = _draw_place("Page", stack.pages, shown.page, f"stack-page-{key}")
    z = _draw_place("Slice (z)", stack.slices, shown.z, f"stack-z-{key}")
    try:
        view = stack.resolve(view_of(page, z, _draw_channels(stack, shown, key), _draw_contrast(key)))
        preview = stacks.preview(digest, view)
    except InputError as error:
        st.error(plain(str(error)))
        return
    height, width = stack.size
    scale = min(1.0, _PREVIEW / max(height, width))
    small = cut_to(preview, (max(1, round(height * scale)), max(1, round(width * scale))))
    st.image(small, alt="What would be seen")
    if view == there.view:
        st.caption("This is the image that is looked at.")
    elif pressed("See it", key="see-stack", icon=":material/visibility:", type="primary"):
        report = stacks.see(digest, view)
        state.added = report
        if report.added:
            state.look_at(report.added[0])
        elif report.known:
            _look_at_known(state, stacks, there, view)
        st.rerun()
    st.caption("What is chosen opens as an image of its own. The stack and earlier choices stay open.")


def _look_at_known(state: UiState, stacks: OpenStacks, there: OpenStack, view: View) -> None:
    for digest in state.workspace.images:
        other = stacks.of(digest)
        if other is not None and (other.digest, other.view) == (there.digest, view):
            state.look_at(digest)


def _told_size(stack: Stack) -> str:
    if stack.pixel is None:
        return "; the size of a pixel is unknown"
    return f"; a pixel is {stack.pixel.text} ({stack.pixel.source})"


def _draw_place(label: str, count: int, chosen: int | str, key: str) -> str:
    """Draw the choice of one of several, or of the largest value of all, and return it as text."""
    if count == 1:
        return "1"
    is_all = st.toggle(
        f"Maximum of {counted(count, label.split(' ')[0].lower())}",
        chosen == MAX,
        key=f"{key}-max",
        help="Of each pixel the largest value of all: a maximum projection.",
    )
    number = 1 if chosen == MAX else int(chosen)
    picked = st.number_input(label, 1, count, number, key=key, disabled=is_all)
    return MAX if is_all else str(int(picked))


def _draw_channels(stack: Stack, shown: View, key: str) -> str:
    """Draw the choice of channels and of a colour for each, and return it as text."""
    colors = {int(one.channel): one.color for one in shown.channels}
    numbers = list(range(1, len(stack.channels) + 1))
    if len(numbers) == 1:
        return ""
    chosen = st.multiselect(
        "Channels",
        numbers,
        [number for number in numbers if number in colors],
        format_func=lambda number: f"{number}: {cell(stack.channels[number - 1].name)}",
        key=f"stack-channels-{key}",
    )
    if len(chosen) < 2:  # one alone is seen in grey
        return ",".join(map(str, chosen))
    parts = []
    for number, column in zip(chosen, st.columns(len(chosen)), strict=True):
        own = stack.channels[number - 1]
        color = column.color_picker(plain(own.name), own.color, key=f"stack-color-{key}-{number}")
        parts.append(f"{number}:{color}")
    return ",".join(parts)


def _draw_contrast(key: str) -> str:
    chosen = st.selectbox(
        "Contrast",
        _CONTRASTS,
        0,
        key=f"stack-contrast-{key}",
        accept_new_options=True,
        help="Which values are black and white: auto (8 bits as they are, deeper ones from the 0.1 to the "
        "99.9 percentile), full, percentiles such as 1%..99%, or values such as 100..4000. For each channel: "
        "1:100..4000,2:auto.",
    )
    return chosen or "auto"
