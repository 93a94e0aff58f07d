"""Which project, and who looks at it: what the pages of projects begin with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import streamlit as st

from maskrcnn_core.categories import Category
from maskrcnn_core.palette import category_color, hex_color
from maskrcnn_core.store.records import CategoryRow, Fact, ImageRow, ProjectRow
from maskrcnn_core.store.store import Store
from maskrcnn_core.supervising import ensure_worker
from pages.ui.cached import open_store
from pages.ui.errors import harmless, plain, show_core_errors
from pages.ui.review.messages import MOST_OF_A_NAME, clean_name
from pages.ui.state import ProjectUi

__all__ = ["OpenProject", "choose_project", "color_of", "draw_new_project", "parameter"]

_FACTS_KEPT = 4


@st.cache_resource(max_entries=_FACTS_KEPT, show_spinner="Reading the project ...")
def _facts(project_id: int, revision: tuple[int, int], _store: Store) -> tuple[Fact, ...]:
    return tuple(_store.facts(project_id))


@st.cache_resource(max_entries=_FACTS_KEPT, show_spinner="Reading the project ...")
def _images(project_id: int, revision: tuple[int, int], _store: Store) -> tuple[ImageRow, ...]:
    return tuple(_store.images(project_id))


@dataclass
class OpenProject:
    """A project as one run of a page sees it; what it holds is read when it is first asked for.

    Args:
        store: where it lies.
        row: the project.
        who: the person, for the journal.
        revision: of the project; lists of one revision are shared by all who look at it.
    """

    store: Store
    row: ProjectRow
    who: str
    revision: tuple[int, int]

    @cached_property
    def images(self) -> tuple[ImageRow, ...]:
        return _images(self.row.id, self.revision, self.store)

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        return _facts(self.row.id, self.revision, self.store)

    @cached_property
    def categories(self) -> list[CategoryRow]:
        return self.store.categories(self.row.id)


def color_of(row: CategoryRow) -> str:
    """A category's color as ``#rrggbb``: its own, or the palette's."""
    return row.colour or hex_color(category_color(row.coco_id))


def parameter(name: str) -> int | None:
    """A whole number from the page's address, or ``None``."""
    text = st.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 16 else None


def choose_project(ui: ProjectUi) -> OpenProject | None:
    """The sidebar's choice of project and name; ``None`` where there is no project or no store.

    Raises:
        AwayError: if the database does not answer now.
    """
    store: Store | None = None
    with show_core_errors():
        store = open_store()
    if store is None:
        st.stop()
    projects = {row.id: row for row in store.projects()}
    with show_core_errors():
        # Whatever the reason, jobs of an earlier run of the app go on as soon as somebody looks.
        ensure_worker(store)
    asked = st.query_params.get("project", "")
    if parameter("project") in projects:
        ui.open(parameter("project"))
        asked = ""
    if ui.id not in projects:
        ui.open(next(iter(projects), None))
    with st.sidebar:
        if projects:
            ids = list(projects)

            def choose() -> None:
                ui.open(st.session_state["project-choice"])
                st.query_params.from_dict({"project": str(ui.id)})

            st.session_state["project-choice"] = ui.id
            st.selectbox(
                "Project",
                ids,
                format_func=lambda id_: harmless(projects[id_].name),
                key="project-choice",
                on_change=choose,
            )

        def call_oneself() -> None:
            ui.call(clean_name(st.session_state["who"]))

        st.session_state["who"] = ui.who
        st.text_input(
            "Your name, for the journal",
            max_chars=MOST_OF_A_NAME,
            key="who",
            on_change=call_oneself,
            placeholder="needed to decide anything",
            help="Every decision is written down under it, and undo takes back those of this name. This "
            "browser remembers it.",
        )
    if ui.id is None:
        return None
    if asked:
        # Not another one in its place: the next keys would decide in the wrong data set.
        st.error(f"There is no project {plain(asked)} here.", icon=":material/link_off:")
        st.button(
            f"Open {harmless(projects[ui.id].name)}",
            key="open-another",
            on_click=st.query_params.from_dict,
            args=({"project": str(ui.id)},),
        )
        st.stop()
    if st.query_params.get("project") != str(ui.id):
        st.query_params.from_dict({"project": str(ui.id)})
    project = OpenProject(store, projects[ui.id], ui.who, store.revision(ui.id))
    ui.last = project
    return project


def draw_new_project(ui: ProjectUi) -> None:
    """The form for a new project."""
    with st.form("new-project", border=False):
        name = st.text_input("Name of the new project", max_chars=200)
        names = st.text_input(
            "Categories, with commas between them",
            help="They can be added, renamed and merged later, or taken over from a model or a COCO file.",
        )
        who = ui.who or clean_name(st.text_input("Your name, for the journal", max_chars=MOST_OF_A_NAME))
        made = st.form_submit_button("Make it", icon=":material/add:", type="primary")
    if not made:
        return
    with show_core_errors():
        wanted = list(dict.fromkeys(part.strip() for part in names.split(",") if part.strip()))
        row = open_store().create_project(
            name,
            who,
            categories=[Category(number, part) for number, part in enumerate(wanted, start=1)],
        )
        if who != ui.who:
            ui.call(who)
        ui.open(row.id)
        ui.section = "images"
        st.query_params.from_dict({"project": str(row.id)})
        st.rerun()
