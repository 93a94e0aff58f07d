"""A model over the whole project, in the background: what it may propose, and how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.detection.candidates import MOST_DETECTIONS, SCORE_FLOOR
from maskrcnn_core.inference.engines.table import AUTO, AUTO_TITLE, ENGINES
from maskrcnn_core.models.catalog import MODELS, ready_models
from maskrcnn_core.projects.category_edits import add_categories
from maskrcnn_core.projects.proposals.fit import Fit
from maskrcnn_core.projects.proposals.job_rows import JobRow, JobSettings
from maskrcnn_core.projects.proposals.jobs import add_job, cancel_job, jobs_of, pause_job, resume_job
from maskrcnn_core.projects.proposals.proposing import told_counts
from maskrcnn_core.projects.proposals.supervising import ensure_worker, is_given_up, told_of_worker
from maskrcnn_core.projects.store import Store
from maskrcnn_core.tiling.choosing import OFF, Tiling, tiling_of
from pages.project.state import PageUi
from pages.project.workers import draw_workers
from pages.shared.cached import predictor_of
from pages.shared.model_choice import HELP_ON_TILES, TILE_CHOICES, shown_title
from pages.shared.open_project import OpenProject
from pages.shared.pressing import pressed
from pages.shared.session import get_state
from pages.shared.texts import cell, harmless, plain, show_core_errors

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor
    from maskrcnn_core.models.spec import AskedCloser, LoadedModel

__all__ = ["draw_pre_annotate"]

_OFF = "(off)"
_POLL_SECONDS = 1.0
_JOBS_SHOWN = 8
_NAMES = 5
_HELPS = "{title} finds {finds}"
_ICONS = {
    "waiting": ":material/hourglass:",
    "running": ":material/play_circle:",
    "paused": ":material/pause_circle:",
    "cancelled": ":material/cancel:",
    "done": ":material/check_circle:",
    "failed": ":material/error:",
}


def draw_pre_annotate(project: OpenProject, ui: PageUi) -> None:
    """Draw the form for a new run, and the earlier runs."""
    st.text(
        "A model runs on every image and proposes instances. Whatever people accepted, rejected or drew "
        "stays, and nothing is proposed on top of it; undecided proposals of an earlier run are replaced. "
        "Meanwhile you can keep working, or close the browser."
    )
    left, right = st.columns([3, 2], gap="large")
    with left:
        _draw_new(project, ui)
    with right:
        jobs = jobs_of(project.store, project.row.id)
        every = _POLL_SECONDS if any(job.is_open for job in jobs) else None
        st.fragment(_draw_jobs, run_every=every)(project, [job.state for job in jobs])
    draw_workers(project)


def _draw_new(project: OpenProject, ui: PageUi) -> None:
    specs = {spec.key: spec for spec in ready_models()}
    if not specs:
        st.info("No model is ready.", icon=":material/info:")
        st.page_link("pages/models/page.py", label="Get or open one", icon=":material/add:")
        return
    jobs = jobs_of(project.store, project.row.id)
    state = get_state()
    fit = Fit(project.store, project.row.id, known=state.guesses)
    start = jobs[0].model_key if jobs else fit.model().key
    key = st.selectbox(
        "Model",
        list(specs),
        list(specs).index(start) if start in specs else 0,
        format_func=lambda k: shown_title(specs[k]),
        key="job-model",
    )
    why = fit.told(specs[key])
    st.caption(plain(specs[key].knows + (f" {why}." if why else "")))
    for sentence in fit.misfits(specs[key], _HELPS):
        st.info(f"{plain(sentence)}.", icon=":material/travel_explore:")
    threshold = st.slider(
        "Propose scores above",
        SCORE_FLOOR,
        1.0,
        0.5,
        0.05,
        key="job-threshold",
        help="A lower value finds more, and more that is wrong. All candidates are kept, whatever the value.",
    )
    predictor: Predictor | None = None
    with show_core_errors():
        predictor = predictor_of(state, key)
    if predictor is None:
        return
    limit = st.number_input(
        "Maximum detections per image",
        1,
        MOST_DETECTIONS,
        predictor.model.max_detections,
        10,
        key=f"job-limit-{key}",
    )
    engine = _draw_engine(predictor.device.type)
    closer = _draw_closer(predictor.model)
    tiling = _draw_tiles()
    mapping = _draw_mapping(project, ui, predictor, fit)
    if not pressed(
        f"Run on all {counted(len(project.images), 'image')}",
        type="primary",
        icon=":material/play_arrow:",
        disabled=not mapping or not project.images,
        key="start-job",
    ):
        return
    with show_core_errors():
        model = predictor.model
        add_job(
            project.store,
            project.row.id,
            key,
            JobSettings(threshold, model.nms_threshold, 0.5, int(limit), mapping, engine, closer, tiling),
            project.who,
        )
        ensure_worker(project.store, anew=True)
        st.rerun()


def _draw_engine(device: str) -> str:
    """Draw the choice of an engine, of those that can run on a type of device, and return its key."""
    specs = {spec.key: spec for spec in ENGINES if not spec.lack(device)}
    key = st.selectbox(
        "Engine",
        [AUTO, *specs],
        format_func=lambda k: specs[k].title if k in specs else AUTO_TITLE,
        key="job-engine",
        help="How the network is run. Automatic takes the fastest that many images are worth and that finds "
        "the same; the Models page shows what was measured.",
    )
    if key in specs:
        st.caption(plain(f"{specs[key].how} Speed: {specs[key].speed}."))
    return key


def _draw_closer(model: LoadedModel) -> AskedCloser:
    """Draw whether small and medium objects are looked at closer; at first as was measured of the model."""
    gain = model.closer_gain
    measured = "not measured for this model" if gain is None else f"measured: {gain:+.1f} points of mask IoU"
    is_on = st.checkbox(
        "Look closer at each object",
        model.looks_closer("auto"),
        key=f"job-closer-{model.key}",
        help="Runs the network again on an enlarged crop around each small or medium object, which makes its "
        f"mask finer ({measured}). Each takes about a third of an image's time.",
    )
    return "on" if is_on else "off"


def _draw_tiles() -> Tiling | None:
    """Draw how large images are cut."""
    chosen = st.selectbox("Tiles", TILE_CHOICES, key="job-tiles", accept_new_options=True, help=HELP_ON_TILES)
    with show_core_errors():
        return tiling_of(chosen or OFF)
    return None


def _draw_mapping(project: OpenProject, ui: PageUi, predictor: Predictor, fit: Fit) -> dict[str, int]:
    """Draw the map from the model's categories to the project's, as the person last set it for this model.

    At first equal names, of those that are offered for what the images look like.
    """
    label_map = predictor.model.label_map
    offered = fit.offered(predictor.model)
    ours = {row.name: row.id for row in project.categories}
    kept = _last_mapping(project, predictor.model.key)
    names = {row.id: row.name for row in project.categories}
    if kept is None:
        same = {name.casefold(): name for name in ours}
        every = {c.name: ours[same[c.name.casefold()]] for c in label_map if c.name.casefold() in same}
        kept = {name: id_ for name, id_ in every.items() if name in offered} or every
        _say_what_is_off(fit.told(predictor.model), list(kept), [name for name in every if name not in kept])
    _offer_categories(project, ui, label_map, offered)
    st.caption("Map the model's categories to yours; categories that are off are not proposed.")
    table = pd.DataFrame(
        {
            "model": [cell(category.name) for category in label_map],
            "project": [cell(names.get(kept.get(c.name, 0), _OFF)) for c in label_map],
        }
    )
    shown = {cell(name): id_ for name, id_ in ours.items()}
    edited = st.data_editor(
        table,
        key=f"mapping-{predictor.model.digest[:12]}-{hash((tuple(ours), tuple(offered)))}",
        hide_index=True,
        disabled=["model"],
        height=min(38 + 35 * len(table), 340),
        column_config={
            "model": st.column_config.TextColumn("model category"),
            "project": st.column_config.SelectboxColumn(
                "project category", options=[_OFF, *shown], required=True
            ),
        },
        alt="From the model's categories to the project's",
    )
    mapping = {
        category.name: shown[name]
        for category, name in zip(label_map, edited["project"], strict=True)
        if name in shown
    }
    if not mapping:
        st.warning("All of the model's categories are off: nothing would be proposed.")
    return mapping


def _last_mapping(project: OpenProject, model_key: str) -> dict[str, int] | None:
    for job in jobs_of(project.store, project.row.id):
        if job.model_key == model_key:
            with show_core_errors():
                return dict(job.settings.mapping)
    return None


def take_label(missing: int, *, has_some: bool) -> str:
    """Label the button that takes a model's categories: *other* ones only if the project has some."""
    what = ("other category", "other categories") if has_some else ("category", "categories")
    return f"Add the model's {counted(missing, *what)} to the project"


def _say_what_is_off(why: str, on: list[str], off: list[str]) -> None:
    if off:
        st.info(
            plain(f"{why}: only {_few(on)} is proposed unless you switch on {_few(off)}."),
            icon=":material/travel_explore:",
        )


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMES])
    return shown if len(names) <= _NAMES else f"{shown} and {len(names) - _NAMES} more"


def _offer_categories(project: OpenProject, ui: PageUi, label_map: LabelMap, offered: list[str]) -> None:
    there = {row.name.casefold() for row in project.categories}
    missing = [name for name in offered if name.casefold() not in there]
    label = take_label(len(missing), has_some=bool(there))
    if len(offered) < len(label_map) or len(missing) == 1:
        which = f"{'category' if len(missing) == 1 else 'categories'} {_few(missing)}"
        label = f"Add the model's {plain(which)} to the project"
    if missing and pressed(
        label,
        icon=":material/add:",
        key="take-categories",
    ):
        with show_core_errors():
            add_categories(project.store, project.row.id, project.who, missing)
            ui.notice.say(f"Added {counted(len(missing), 'category', 'categories')}; undo it under History.")
            st.rerun()


# -- runs -------------------------------------------------------------------------------------------


def _draw_jobs(project: OpenProject, seen: list[str]) -> None:
    """Draw the runs; renew them while something is open, and the whole page once when that ends."""
    st.subheader("Runs")
    with show_core_errors():
        ensure_worker(project.store)
    jobs = jobs_of(project.store, project.row.id)
    if not jobs:
        st.caption("None yet.")
    titles = {spec.key: shown_title(spec) for spec in (*MODELS, *ready_models())}
    _draw_worker(project, jobs)
    for job in jobs[:_JOBS_SHOWN]:
        with st.container(border=True):
            _draw_job(project, job, titles.get(job.model_key, harmless(job.model_key)))
    if [job.state for job in jobs] != seen:
        st.rerun()


def _draw_worker(project: OpenProject, jobs: list[JobRow]) -> None:
    """Report what became of the worker, if something waits for it."""
    told = told_of_worker(project.store)
    if not told or not any(job.is_open and job.state != "paused" for job in jobs):
        return
    st.warning(f"{plain(told[:1].upper() + told[1:])}.", icon=":material/restart_alt:")
    if is_given_up(project.store):

        def press() -> None:
            with show_core_errors():
                ensure_worker(project.store, anew=True)

        st.button("Start it again", icon=":material/play_arrow:", key="worker-again", on_click=press)


def _draw_job(project: OpenProject, job: JobRow, title: str) -> None:
    st.markdown(f"{_ICONS[job.state]} **{plain(title)}**, {job.state}")
    if job.is_open:
        st.progress(job.done / max(job.total, 1) if job.total else 0.0, text=_progress_text(job))
        left, right = st.columns(2)
        if job.state == "paused":
            _act(left, "Resume", ":material/play_arrow:", resume_job, project, job)
        else:
            _act(left, "Pause", ":material/pause:", pause_job, project, job)
        _act(right, "Cancel", ":material/stop:", cancel_job, project, job)
    st.caption(
        f"{job.done:,} of {counted(job.total, 'image')}, "
        + harmless(told_counts(job.proposed, job.replaced, job.there, job.decided))
    )
    if job.engine:
        st.caption(plain(f"{job.engine[:1].upper()}{job.engine[1:]}."))
    if job.message:
        st.text(job.message)
    if job.failed:
        with st.expander(f"{counted(job.failed, 'image')} failed"):
            for sentence in job.failures:
                st.text(sentence)


def _act(
    place: DeltaGenerator,
    label: str,
    icon: str,
    act: Callable[[Store, int], JobRow],
    project: OpenProject,
    job: JobRow,
) -> None:
    def press() -> None:
        with show_core_errors():
            act(project.store, job.id)
            ensure_worker(project.store, anew=True)

    # A callback: the list renews itself, and a press at that moment is not lost.
    place.button(label, icon=icon, key=f"{label}-{job.id}", on_click=press, width="stretch")


def _progress_text(job: JobRow) -> str:
    parts = [f"{job.done} of {job.total}" if job.total else "about to start"]
    if job.state == "running" and job.rate:
        parts.append(f"{job.rate:.1f} images/s" if job.rate >= 1 else f"{60 * job.rate:.1f} images/min")
    if job.state == "running" and job.remaining_seconds is not None:
        minutes, seconds = divmod(round(job.remaining_seconds), 60)
        parts.append(f"{minutes} min {seconds:02d} s to go" if minutes else f"{seconds} s to go")
    return ", ".join(parts)
