"""A project's methods statement: what its models found, and what people made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from maskrcnn_core.dataset.annotations import ImageRecord
from maskrcnn_core.errors import InputError
from maskrcnn_core.measuring.methods import Corrections, ModelRun, methods_statement, seen_images
from maskrcnn_core.models.catalog import model_by_key
from maskrcnn_core.projects.people.work import deeds_of
from maskrcnn_core.projects.proposals.jobs import jobs_of
from maskrcnn_core.projects.records import PERSONAL_SOURCES, Fact, ImageRow
from maskrcnn_core.projects.seeing import seen_in
from maskrcnn_core.projects.store import Store

__all__ = ["corrections_of", "project_methods"]

_PAGE = 500
_HANDED_IN = ("add images", "import COCO")
"""Kinds of entries that bring files in, and decide nothing of what is on them."""


def project_methods(store: Store, project_id: int) -> str:
    """Return a project's methods statement.

    Args:
        store: where it is.
        project_id: of a project that is there.
    """
    facts = store.facts(project_id)
    images = store.images(project_id)
    return methods_statement(
        seen_images([_record(image) for image in images]),
        _runs(store, project_id, facts),
        sum(fact.status != "rejected" for fact in facts),
        corrections_of(store, project_id, facts, images),
    )


def corrections_of(
    store: Store, project_id: int, facts: Sequence[Fact], images: Sequence[ImageRow]
) -> Corrections:
    """Return what people did, as the instances that are there stand now: what was undone does not count."""
    relabelled, redrawn = _changed(store, project_id, {fact.id: fact for fact in facts})
    offered = [fact for fact in facts if fact.source not in PERSONAL_SOURCES]
    of = Counter(fact.status for fact in offered)
    kept = {fact.id for fact in offered if fact.status != "rejected"}
    return Corrections(
        of["accepted"],
        of["rejected"],
        of["proposed"],
        len(relabelled & kept),
        len(redrawn & kept),
        sum(fact.source in PERSONAL_SOURCES and fact.status != "rejected" for fact in facts),
        len({deed.who for deed in deeds_of(store, project_id) if deed.kind not in _HANDED_IN}),
        sum(image.status == "reviewed" for image in images),
    )


def _changed(store: Store, project_id: int, facts: Mapping[int, Fact]) -> tuple[set[int], set[int]]:
    """Return ids of instances whose category, and whose mask, is another than when they came."""
    first: dict[tuple[int, str], Any] = {}
    last: dict[tuple[int, str], Any] = {}
    for line in _lines(store, project_id):
        for name in ("category_id", "counts"):
            if name in line.get("before", {}):
                key = line["id"], name
                last.setdefault(key, line["after"][name])  # the newest comes first
                first[key] = line["before"][name]
    changed = {key for key in first if first[key] != last[key] and key[0] in facts}
    return {id_ for id_, name in changed if name == "category_id"}, {
        id_ for id_, name in changed if name == "counts"
    }


def _lines(store: Store, project_id: int) -> Iterator[Mapping[str, Any]]:
    """Yield all changes of instances, the newest first."""
    before: int | None = None
    while entries := store.journal(project_id, before=before, limit=_PAGE):
        for entry in entries:
            if not entry.is_refused:
                yield from (line for line in reversed(entry.changes) if line.get("table") == "instance")
        before = entries[-1].id


def _runs(store: Store, project_id: int, facts: Sequence[Fact]) -> list[ModelRun]:
    runs, known = [], set[str]()
    for job in reversed(jobs_of(store, project_id)):
        if job.done:
            settings = job.settings
            runs.append(
                ModelRun(_title(job.model_key), job.weights, settings.thresholds, tuple(settings.mapping))
            )
            known.add(job.model_key)
    sources = dict.fromkeys(fact.source for fact in facts)
    runs += [
        ModelRun(_title(source), "", None)
        for source in sources
        if source not in PERSONAL_SOURCES and source not in known
    ]
    return list(dict.fromkeys(runs))


def _title(key: str) -> str:
    try:
        return model_by_key(key).title
    except InputError:
        return key


def _record(image: ImageRow) -> ImageRecord:
    view, pixel = seen_in(image)
    return ImageRecord(
        image.coco_id, image.file_name, image.width, image.height, image.digest, view=view, pixel_um=pixel
    )
