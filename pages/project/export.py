"""A project, or the part that the filter means, as checked files."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import streamlit as st

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.common.refusals import Groups
from maskrcnn_core.formats import FORMATS, Member, format_by_key, write_zip
from maskrcnn_core.formats.base import file_stem
from maskrcnn_core.formats.writing import write_download
from maskrcnn_core.projects.exchange.exporting import (
    Part,
    Selection,
    coco_members,
    other_format,
    proposals_note,
    select,
)
from maskrcnn_core.projects.exchange.splitting import PartName, count_parts, split_parts
from maskrcnn_core.projects.records import ImageStatus, Status
from maskrcnn_core.projects.review.review_queue import QueueFilter
from maskrcnn_core.projects.team.approvals import has_second_stage
from pages.project.damaged import SoundPart, draw_damage, is_as_shown, noticing_damage
from pages.project.methods import draw_methods
from pages.project.state import PageUi
from pages.shared.offering import draw_offer, forget
from pages.shared.open_project import OpenProject
from pages.shared.pressing import carrying_out, drop_press, pressed
from pages.shared.session import Prepared, UiState, get_state
from pages.shared.texts import cell, plain, show_core_errors

__all__ = ["draw_out"]

_PREPARE = "out-prepare"
_WITH_PROPOSALS = "accepted and proposed"
_STATUSES: dict[str, tuple[Status, ...]] = {
    "accepted only": ("accepted",),
    _WITH_PROPOSALS: ("accepted", "proposed"),
    "all, including rejected": ("accepted", "proposed", "rejected"),
}
_APPROVED = "approved only"
_IMAGES: dict[str, frozenset[ImageStatus]] = {
    "all images": frozenset(),
    "reviewed only": frozenset({"reviewed"}),
    _APPROVED: frozenset({"reviewed"}),
    "not yet reviewed": frozenset({"new", "opened"}),
}


def draw_out(project: OpenProject, ui: PageUi) -> None:
    """Draw the choice of what to write, and the file once it is made."""
    state = get_state()
    with show_core_errors(), noticing_damage(project, ui):
        project = draw_damage(project, ui)
    titles = {row.key: row.title for row in FORMATS}
    left, middle, right = st.columns(3)
    with left:
        key = st.selectbox("Format", list(titles), format_func=titles.__getitem__, key="out-format")
    with middle:
        statuses = _STATUSES[st.selectbox("Instances", list(_STATUSES), key="out-statuses")]
    with right:
        choices = [one for one in _IMAGES if one != _APPROVED or has_second_stage(project.row)]
        chosen = st.selectbox("Images", choices, key=f"out-images-{len(choices)}")
        images = _IMAGES[chosen]
    wanted = QueueFilter(image_statuses=images)
    if ui.filter_told and st.checkbox(
        f"Only {plain(ui.filter_told)} (the overview's filter)", key="out-filter"
    ):
        wanted = QueueFilter(**(vars(ui.wanted) | {"image_statuses": images or ui.wanted.image_statuses}))
    if chosen == _APPROVED:
        wanted = replace(wanted, search=f"{wanted.search} stage:approved".strip())
    split, with_images = _Split(), False
    row = format_by_key(key)
    if key == "coco" or row.brings_images:
        left, middle, _ = st.columns(3)
        with_images = left.checkbox("Include the image files", key="out-with-images")
        if middle.checkbox("Split into train and val", key="out-split"):
            split = _draw_split()
    with show_core_errors(), noticing_damage(project, ui):
        images_meant = project.searched(wanted.search)
        selection = select(images_meant, project.facts, wanted, statuses=statuses)
        st.caption(_sentence(key, selection))
        if note := proposals_note(selection, f"*{_WITH_PROPOSALS}*"):
            st.caption(note)
        parts = [Part("instances", selection.images)]
        if split.shares:
            parts = _parted(project, selection, split)
        fingerprint = (
            project.row.id,
            project.revision,
            key,
            statuses,
            wanted,
            with_images,
            split,
            ui.damage if isinstance(project, SoundPart) else (),
        )
        is_refused = bool(ui.damage) and not isinstance(project, SoundPart)
        asked = pressed(
            "Prepare",
            icon=":material/build:",
            key=_PREPARE,
            is_kept=True,
            disabled=is_refused or not selection.images,
        )
        # What was offered before goes at once: while a file is made nobody shall mistake another for it.
        making, offer = st.empty(), st.empty()
        if asked:
            forget(state.project_file)
            state.project_file = None
            if isinstance(project, SoundPart) and not is_as_shown(project, ui):
                drop_press(_PREPARE)  # which was about what is shown no longer
                st.rerun()
            try:
                with (
                    carrying_out(_PREPARE),
                    show_core_errors(),
                    noticing_damage(project, ui),
                    making.container(),
                ):
                    state.project_file = _make(
                        state, project, key, selection, parts, with_images, fingerprint
                    )
            finally:
                making.empty()
        with offer.container():
            draw_offer(
                state.project_file,
                fingerprint,
                key="download-project",
                stale="The project or your choice has changed since the last file was made: prepare it "
                "again.",
            )
        draw_methods(project)


@dataclass(frozen=True)
class _Split:
    """How images are parted; not at all without shares."""

    shares: tuple[tuple[PartName, float], ...] = ()
    seed: int = 0
    is_balanced: bool = False


def _draw_split() -> _Split:
    columns = st.columns(4, vertical_alignment="bottom")
    val = columns[0].slider("Validation share", 0.05, 0.95, 0.2, 0.05, key="out-share")
    test = columns[1].slider("Test share", 0.0, 0.9, 0.0, 0.05, key="out-test-share")
    seed = int(columns[2].number_input("Seed", 0, 2**31, 1, key="out-seed"))
    is_balanced = columns[3].checkbox(
        "Balance categories", key="out-balance", help="Gives each part its share of each category's images."
    )
    shares: list[tuple[PartName, float]] = [("val", val)]
    if test:
        shares.append(("test", test))
    return _Split(tuple(shares), seed, is_balanced)


def _parted(project: OpenProject, selection: Selection, split: _Split) -> list[Part]:
    """Part what is written, and draw what is in each part."""
    facts = [fact for fact in project.facts if fact.id in selection.instance_ids]
    parts = split_parts(
        selection.images, dict(split.shares), split.seed, balanced_by=facts if split.is_balanced else None
    )
    counts = count_parts(parts, facts)
    st.caption(", ".join(f"{part}: {counted(one.images, 'image')}" for part, one in counts.items()))
    there = [row for row in project.categories if any(one.instances[row.id] for one in counts.values())]
    st.dataframe(
        pd.DataFrame(
            {"category": [cell(row.name) for row in there]}
            | {
                part: [f"{one.instances[row.id]:,} ({one.instance_shares[row.id]:.0%})" for row in there]
                for part, one in counts.items()
            }
        ),
        hide_index=True,
        key="out-parts",
        alt="Instances of each category in each part",
    )
    return [Part(part, tuple(images)) for part, images in parts.items()]


def _make(
    state: UiState,
    project: OpenProject,
    key: str,
    selection: Selection,
    parts: list[Part],
    with_images: bool,
    fingerprint: object,
) -> Prepared:
    stem = f"{file_stem(project.row.name)}_{key}"
    notes = [project.left_out_note] if isinstance(project, SoundPart) else []
    if key == "coco":
        members = coco_members(project.store, project.row.id, selection, parts, with_images=with_images)
        count = len(parts) + (len(selection.images) if with_images else 0)
        is_zip = len(parts) > 1 or with_images

        def write_coco(file: Path, show: Callable[[Member], None]) -> tuple[str, Sequence[str]]:
            return _write_coco(members, is_zip=is_zip, file=file, show=show)

        return _prepare(state, write_coco, count, stem, fingerprint, notes)
    row, mends = format_by_key(key), Groups()
    export = other_format(
        project.store, project.row.id, selection, mends=mends, parts=parts, with_images=with_images
    )
    count = row.count(export)

    def write(file: Path, show: Callable[[Member], None]) -> tuple[str, Sequence[str]]:
        return write_download(row, export, file, show)

    made = _prepare(state, write, count, stem, fingerprint, notes)
    return replace(made, notes=(*made.notes, *mends.sentences()))


def _sentence(key: str, selection: Selection) -> str:
    row = format_by_key(key)
    parts = [
        f"{counted(len(selection.images), 'image')} and {counted(len(selection.instance_ids), 'instance')}. "
        f"{row.holds}"
    ]
    if key == "coco":
        parts.append("Includes everything imported with them; the file is read back and compared.")
    elif row.loses:
        parts.append(f"Left out: {row.loses[0].lower()}{row.loses[1:]}")
    return " ".join(parts)


def _prepare(
    state: UiState,
    write: Callable[[Path, Callable[[Member], None]], tuple[str, Sequence[str]]],
    count: int,
    stem: str,
    fingerprint: object,
    notes: Sequence[str] = (),
) -> Prepared:
    bar = st.progress(0.0, text="Preparing the files ...")
    st.button("Cancel", key="cancel-out", icon=":material/stop:", on_click=drop_press, args=(_PREPARE,))
    done = 0

    def show(_member: Member) -> None:
        nonlocal done
        done += 1
        bar.progress(min(done / max(count, 1), 1.0), text=f"{done} of {counted(count, 'file')}")

    file = state.workspace.scratch(f"project-{uuid.uuid4().hex}")
    try:
        suffix, told = write(file, show)
    except BaseException:  # also Streamlit's way to end a run that somebody cancels
        file.unlink(missing_ok=True)
        raise
    mime = "application/zip" if suffix == ".zip" else "application/octet-stream"
    return Prepared(fingerprint, str(file), stem + suffix, mime, (*notes, *told))


def _write_coco(
    members: Iterator[Member], *, is_zip: bool, file: Path, show: Callable[[Member], None]
) -> tuple[str, Sequence[str]]:
    """Write COCO files into a zip, or the only one as it is; its suffix, and the notes."""
    if is_zip:
        with file.open("wb") as target:
            return ".zip", write_zip(members, target, show)
    member = next(members)
    file.write_bytes(member.data)
    return ".json", [member.note] if member.note else []
