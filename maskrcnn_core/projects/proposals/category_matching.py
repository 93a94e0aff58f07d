"""Which of a project's categories each of a model's becomes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.errors import InputError
from maskrcnn_core.projects.store import Store

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["category_mapping", "match_categories"]

_MAKE_CATEGORIES = (
    "add categories on the Project page, import a data set that has some, or make the project with "
    "'project new NAME --categories a,b'"
)


def category_mapping(
    store: Store,
    project_id: int,
    predictor: Predictor,
    given: Mapping[str, str] | None = None,
    only: Collection[str] | None = None,
) -> dict[int, int]:
    """Map a model's labels to a project's categories by name; all other labels are off.

    Args:
        store: where.
        project_id: whose categories.
        predictor: the model's.
        given: from the model's names to the project's, as ``{"car": "vehicle"}``; by default equal names,
            case ignored.
        only: the model's names that are on by default, unless the project has none of them; all if ``None``.

    Returns:
        The store's category id of each label that is on.

    Raises:
        InputError: for a name that is not there, or if no label is on.
    """
    label_map = predictor.model.label_map
    names = match_categories(store, project_id, label_map, given, only)
    labels = zip(label_map, label_map.labels, strict=True)
    return {label: names[category.name] for category, label in labels if category.name in names}


def match_categories(
    store: Store,
    project_id: int,
    label_map: LabelMap,
    given: Mapping[str, str] | None = None,
    only: Collection[str] | None = None,
) -> dict[str, int]:
    """Match categories as :func:`category_mapping` does, for a model that need not be loaded.

    Returns:
        The store's category id by the model's name of each category that is on.

    Raises:
        InputError: for a name that is not there, or if no category is on.
    """
    ours = {row.name.casefold(): row.id for row in store.categories(project_id)}
    first = set() if only is None else {name.casefold() for name in only}
    # Those that are offered stand first in what is said.
    ordered = sorted((category.name for category in label_map), key=lambda name: name.casefold() not in first)
    theirs = {name.casefold(): name for name in ordered}
    same = {name: name for name in theirs if name in ours}
    wanted = given if given is not None else {name: name for name in same if name in first} or same
    names: dict[str, int] = {}
    for name, category in wanted.items():
        for kind, known, value in (("the model's", theirs, name), ("the project's", ours, category)):
            if not known:
                raise InputError(
                    f"category {one_line(value)!r}: expected one of {kind}, which has none; "
                    f"{_MAKE_CATEGORIES}"
                )
            if value.casefold() not in known:
                raise InputError(
                    f"category {one_line(value)!r}: expected one of {kind}, {one_line(_listed(list(known)))}"
                )
        names[theirs[name.casefold()]] = ours[category.casefold()]
    if not names and not ours:
        raise InputError(
            "categories: the project has none, so nothing that the model finds "
            f"({one_line(_listed(list(theirs)))}) has a place; {_MAKE_CATEGORIES}"
        )
    if not names:
        raise InputError(
            f"categories: none of the project's ({one_line(_listed(list(ours)))}) is one of the model's "
            f"({one_line(_listed(list(theirs)))}); match them with --map {_pair_of(list(theirs), list(ours))}"
        )
    return names


def _pair_of(theirs: Sequence[str], ours: Sequence[str]) -> str:
    """Return the first category of each, as an option says it; quoted where a shell would part it."""
    pair = one_line(f"{next(iter(theirs), 'model')}={ours[0]}")
    return f'"{pair}"' if " " in pair else pair


def _listed(names: Sequence[str]) -> str:
    return (", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")) or "none"
