"""What is wrong with a COCO file, before anybody adds it, and the same file put right."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import PurePath

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.formats.checking import CheckReport, check_coco
from maskrcnn_core.formats.repairing import repair_coco
from pages.components.uploads import say_why_uploads_fail
from pages.shared.offering import draw_offer, forget
from pages.shared.pressing import carrying_out, pressed
from pages.shared.session import Prepared, get_state
from pages.shared.texts import cell, show_core_errors

__all__ = ["CheckedFile", "draw_check"]

_REPAIR = "repair-coco"


@dataclass
class CheckedFile:
    """What a session knows of the file that is chosen; one per session (``UiState.of``).

    Attributes:
        file_id: of the upload; empty for none.
        report: what is wrong with it.
        prepared: the repaired file.
    """

    file_id: str = ""
    report: CheckReport = field(default_factory=lambda: CheckReport((), 0, 0, 0))
    prepared: Prepared | None = None


def draw_check() -> None:
    """Draw an uploader for a COCO file, what is wrong with it, and a way to have it right."""
    with st.expander("Check a COCO file"):
        st.text(
            "Says what is wrong with a COCO JSON file, and repairs it: holes that others fill, masks that "
            "are all crowds, boxes as corners, ids used twice and more. Nothing is added to the project."
        )
        upload = st.file_uploader("COCO JSON", type=["json"], key="check-coco")
        say_why_uploads_fail("uploads-check")
        checked = get_state().of(CheckedFile)
        if upload is None or upload.file_id != checked.file_id:
            forget(checked.prepared)
            checked.file_id, checked.prepared = "", None
        if upload is None:
            return
        with show_core_errors():
            if not checked.file_id:
                with st.spinner("Checking ..."):
                    checked.report = check_coco(upload.getvalue())
                checked.file_id = upload.file_id
            _draw_findings(checked.report)
            if checked.report.wrong:
                _draw_repair(checked, upload)


def _draw_findings(report: CheckReport) -> None:
    images, annotations = counted(report.images, "image"), counted(report.annotations, "annotation")
    if not report.wrong:
        st.success(f"Nothing is wrong: {images}, {annotations}.", icon=":material/check:")
    if report.findings:
        rows = [
            {
                "": one.check.severity,
                "count": one.count,
                "what": one.check.title,
                "first places": cell("; ".join(one.places)),
                "what readers do": one.check.readers,
                "repaired": one.check.fix,
            }
            for one in report.findings
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")


def _draw_repair(checked: CheckedFile, upload: UploadedFile) -> None:
    if pressed("Repair", icon=":material/build:", key=_REPAIR, is_kept=True, about=checked.file_id):
        forget(checked.prepared)
        checked.prepared = None
        with carrying_out(_REPAIR), st.spinner("Repairing ..."):
            repaired = repair_coco(upload.getvalue(), report=checked.report)
            file = get_state().workspace.scratch(f"repaired-{uuid.uuid4().hex}")
            file.write_bytes(repaired.data)
            notes = (*repaired.changes, *filter(None, (repaired.lost, repaired.note)))
        name = f"{PurePath(upload.name).stem}_repaired.json"
        checked.prepared = Prepared(checked.file_id, str(file), name, "application/json", notes)
    draw_offer(checked.prepared, checked.file_id, key="download-repaired", stale="")
