"""Named versions of a project: made, compared, brought back, exported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pandas as pd
import streamlit as st

from maskrcnn_core.common.bounds import MAX_NAME
from maskrcnn_core.formats.base import file_stem
from maskrcnn_core.images.reading import one_line
from maskrcnn_core.projects.exchange.exporting import checked_coco, select
from maskrcnn_core.projects.records import STATUSES
from maskrcnn_core.projects.review.review_queue import QueueFilter
from maskrcnn_core.projects.snapshots.comparing import (
    CHANGES,
    Comparison,
    InstanceChange,
    compare_contents,
)
from maskrcnn_core.projects.snapshots.keeping import (
    SnapshotRow,
    make_snapshot,
    present_contents,
    snapshot_contents,
    snapshots_of,
)
from maskrcnn_core.projects.snapshots.reading import SnapshotStore
from maskrcnn_core.projects.snapshots.restoring import restore_snapshot
from maskrcnn_core.projects.store import Store
from pages.project.state import PageUi
from pages.shared.open_project import OpenProject
from pages.shared.pressing import pressed
from pages.shared.texts import cell, harmless, show_core_errors

__all__ = ["draw_snapshots", "exported"]

_NOW = 0
"""In the menu of moments, in the place of a snapshot's id."""
_SHOWN = 200


def draw_snapshots(project: OpenProject, ui: PageUi) -> None:
    """Draw a project's snapshots, and what can be done with them."""
    st.text(
        "A snapshot keeps images, categories and instances as they are now, under a name. Going back to one "
        "is a decision, which undo takes back."
    )
    if not project.row.is_archived:
        _draw_new(project, ui)
    rows = snapshots_of(project.store, project.row.id)
    st.dataframe(
        pd.DataFrame(
            {
                "snapshot": [cell(row.name) for row in rows],
                "made (UTC)": [row.made_at.replace(tzinfo=None) for row in rows],
                "by": [cell(row.made_by) for row in rows],
                "images": [row.images for row in rows],
                "instances": [row.instances for row in rows],
                "categories": [row.categories for row in rows],
            }
        ),
        hide_index=True,
        key="snapshot-table",
        placeholder="No snapshots yet",
        alt="The project's snapshots",
    )
    if rows:
        _draw_comparison(project, ui, rows)


def _draw_new(project: OpenProject, ui: PageUi) -> None:
    with st.form("new-snapshot", clear_on_submit=True, border=False):
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        name = left.text_input("Name of the snapshot", max_chars=MAX_NAME)
        asked = pressed(
            "Make a snapshot",
            key="make-snapshot",
            draw=right.form_submit_button,
            icon=":material/add:",
            width="stretch",
        )
    if asked:
        with show_core_errors():
            row = make_snapshot(project.store, project.row.id, project.who, name)
            ui.notice.say(f"Kept {one_line(row.name)} with {row.told}.")
            st.rerun()


def _draw_comparison(project: OpenProject, ui: PageUi, rows: list[SnapshotRow]) -> None:
    st.subheader("Compare and go back")
    by_id = {row.id: row for row in rows}
    left, right = st.columns(2)
    with left:
        first = st.selectbox(
            "From", list(by_id), format_func=lambda i: harmless(by_id[i].name), key="snapshot-from"
        )
    with right:
        second = st.selectbox(
            "To",
            [_NOW, *by_id],
            format_func=lambda i: harmless(by_id[i].name) if i else "now",
            key="snapshot-to",
        )
    left, right, last, _ = st.columns([1, 1, 1, 2])
    last.download_button(
        "Export it",
        lambda: exported(project.store, by_id[first]),
        f"{file_stem(project.row.name)}_{file_stem(by_id[first].name)}.json",
        "application/json",
        icon=":material/download:",
        help="What is chosen under From, as COCO JSON with the status of each instance.",
        on_click="ignore",
        key="export-snapshot",
        width="stretch",
    )
    is_asked = pressed(
        "Compare", draw=left.button, icon=":material/difference:", key="compare-snapshots", width="stretch"
    )
    is_wanted = not project.row.is_archived and pressed(
        "Go back to it",
        draw=right.button,
        icon=":material/restore:",
        help="Brings images, categories and instances back to what is chosen under From.",
        key="restore-snapshot",
        width="stretch",
    )
    if is_wanted:
        with show_core_errors():
            entry, found = restore_snapshot(project.store, by_id[first], project.who)
            name = one_line(by_id[first].name)
            done = f"Back at {name}: {found.told}; undo it under History."
            ui.notice.say(done if entry else f"Nothing has changed since {name}.")
            st.rerun()
    if is_asked:
        with show_core_errors():
            before = snapshot_contents(project.store, by_id[first])
            after = (
                snapshot_contents(project.store, by_id[second])
                if second
                else present_contents(project.store, project.row.id)
            )
            _draw_differences(compare_contents(before, after))


def exported(store: Store, row: SnapshotRow) -> bytes:
    """Return a snapshot as COCO JSON, with all of its instances; it has been read back with pycocotools."""
    then = SnapshotStore(store, row)
    images, facts = then.images(row.project_id), then.facts(row.project_id)
    selection = select(images, facts, QueueFilter(), statuses=STATUSES)
    return checked_coco(then, row.project_id, selection)[0]


def _draw_differences(found: Comparison) -> None:
    st.text(f"{found.told[:1].upper()}{found.told[1:]}.")
    for what, counts in (("category", found.per_category), ("image", found.per_image)):
        if counts:
            _draw_counts(what, counts)
    for title, names in (
        ("Images that came", found.images_added),
        ("Images that went", found.images_removed),
        ("Images that changed", found.images_changed),
        ("Categories that came", found.categories_added),
        ("Categories that went", found.categories_removed),
        ("Categories that changed", found.categories_changed),
    ):
        if names:
            more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
            st.text(f"{title}: {', '.join(map(one_line, names[:_SHOWN]))}{more}")


def _draw_counts(what: str, counts: Mapping[str, Counter[InstanceChange]]) -> None:
    names = sorted(counts)
    table = {what: [cell(name) for name in names]}
    numbers = {change: [counts[name][change] for name in names] for change in CHANGES}
    st.dataframe(
        pd.DataFrame(table | {change: column for change, column in numbers.items() if any(column)}),
        hide_index=True,
        key=f"snapshot-changes-{what}",
        alt=f"Instances that changed, per {what}",
    )
