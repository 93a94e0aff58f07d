"""Which project, and who looks at it: what the pages of projects begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import streamlit as st

from maskrcnn_core.drawing.palette import category_color, hex_color
from maskrcnn_core.projects.image_search import found_ids, parse_query
from maskrcnn_core.projects.proposals.supervising import ensure_worker
from maskrcnn_core.projects.records import CategoryRow, Fact, ImageRow, ProjectRow
from maskrcnn_core.projects.store import Store
from pages.components.review_messages import MOST_OF_A_NAME, clean_name
from pages.shared.cached import open_store
from pages.shared.ending import end_page
from pages.shared.session import ProjectUi
from pages.shared.texts import harmless, plain, show_core_errors

__all__ = ["OpenProject", "choose_project", "color_of", "parameter"]

_FACTS_KEPT = 4


# Ids and revisions begin anew in another database, so its place is part of what tells the lists apart.
@st.cache_resource(max_entries=_FACTS_KEPT, show_spinner="Reading the project ...")
def _facts(
    place: str,  # noqa: ARG001
    project_id: int,
    revision: tuple[int, int],  # noqa: ARG001
    _store: Store,
) -> tuple[Fact, ...]:
    return tuple(_store.facts(project_id))


@st.cache_resource(max_entries=_FACTS_KEPT, show_spinner="Reading the project ...")
def _images(
    place: str,  # noqa: ARG001
    project_id: int,
    revision: tuple[int, int],  # noqa: ARG001
    _store: Store,
) -> tuple[ImageRow, ...]:
    return tuple(_store.images(project_id))


@st.cache_resource(max_entries=4 * _FACTS_KEPT, show_spinner=False)
def _found(
    place: str,  # noqa: ARG001
    project_id: int,
    revision: tuple[int, int],  # noqa: ARG001
    search: str,
    _store: Store,
) -> frozenset[int]:
    return found_ids(_store, project_id, parse_query(search))


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
        return _images(self.store.place.shown, self.row.id, self.revision, self.store)

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        return _facts(self.store.place.shown, self.row.id, self.revision, self.store)

    def searched(self, search: str) -> Sequence[ImageRow]:
        """Return the images that a query means, in their order.

        Raises:
            InputError: if it is no query.
        """
        if not search.strip():
            return self.images
        found = _found(self.store.place.shown, self.row.id, self.revision, search, self.store)
        return [image for image in self.images if image.id in found]

    @cached_property
    def categories(self) -> list[CategoryRow]:
        return self.store.categories(self.row.id)


def color_of(row: CategoryRow) -> str:
    """Return a category's color as ``#rrggbb``: its own, or the palette's."""
    return row.color or hex_color(category_color(row.coco_id))


def parameter(name: str) -> int | None:
    """Read a whole number from the page's address, or ``None``."""
    text = st.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 16 else None


def _called(row: ProjectRow) -> str:
    # No parentheses: menus show those of names in their wide forms, for which some fonts have no sign.
    return f"{harmless(row.name)}, archived" if row.is_archived else harmless(row.name)


def _deleted(store: Store) -> str:
    """Return what became of the project that the address names; empty unless it was deleted."""
    id_ = parameter("project")
    told = "" if id_ is None else store.absence(id_)
    return "" if told.startswith(f"project {id_}: ") else plain(f"{told[:1].upper()}{told[1:]}.")


def choose_project(ui: ProjectUi) -> OpenProject | None:
    """Draw the sidebar's choice of project and name; ``None`` if there is no project or no store.

    Raises:
        AwayError: if the database does not answer now.
    """
    store: Store | None = None
    with show_core_errors():
        store = open_store()
    if store is None:
        end_page()
    found, damaged = store.sound_projects()
    looked_at = (ui.id, parameter("project"))
    projects = {row.id: row for row in found if not row.is_archived or row.id in looked_at}
    for damage in damaged:
        st.error(
            plain(
                f"{damage.shown}: its row in the project database is damaged; restore a copy. The other "
                "projects still work."
            ),
            icon=":material/error:",
        )
    with show_core_errors():
        # Whatever the reason, jobs of an earlier run of the app go on as soon as somebody looks.
        ensure_worker(store)
    asked = st.query_params.get("project", "")
    if parameter("project") in projects:
        ui.open(parameter("project"))
        asked = ""
    if ui.id not in projects:
        ui.open(next((id_ for id_, row in projects.items() if not row.is_archived), None))
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
                format_func=lambda id_: _called(projects[id_]),
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
            placeholder="required for any decision",
            help="The journal records every decision under this name, and undo takes back this name's "
            "decisions. This browser remembers it.",
        )
    if ui.id is None:
        if asked and (told := _deleted(store)):
            st.error(told, icon=":material/link_off:")
        return None
    if asked:
        # Not another one in its place: the next keys would decide in the wrong data set.
        told = _deleted(store) or f"There is no project {plain(asked)} here."
        st.error(told, icon=":material/link_off:")
        st.button(
            f"Open {harmless(projects[ui.id].name)}",
            key="open-another",
            on_click=st.query_params.from_dict,
            args=({"project": str(ui.id)},),
        )
        end_page()
    if st.query_params.get("project") != str(ui.id):
        st.query_params.from_dict({"project": str(ui.id)})
    project = OpenProject(store, projects[ui.id], ui.who, store.revision(ui.id))
    if project.row.is_archived:
        st.info(
            "This project is archived: read-only until somebody brings it back under Settings on the Project "
            "page.",
            icon=":material/archive:",
        )
    ui.last = project
    return project
