"""What a run in shards is, beside its plan: ``run.json``, by which shards are joined without the model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from maskrcnn_core.batch.resume_log import Header, difference_of
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.shards.stores import Folder

__all__ = ["RunFacts", "facts_of", "keep_facts"]

_FILE = "run.json"
_VERSION = 1


@dataclass(frozen=True)
class RunFacts:
    """What all shards of a run have in common.

    Args:
        settings: all that decides the results, with the model's digest.
        categories: the model's.
        description: one line on where the file came from.
    """

    settings: Header
    categories: tuple[Category, ...]
    description: str


def keep_facts(folder: Folder, facts: RunFacts) -> RunFacts:
    """Write what a run is, unless it was begun before; return what was written first.

    Raises:
        InputError: if the run that was begun had other settings: what differs is said.
    """
    begun = facts_of(folder)
    if begun is None:
        folder.write(
            _FILE,
            dump_json(
                {
                    "version": _VERSION,
                    "settings": dict(facts.settings),
                    "categories": [asdict(category) for category in facts.categories],
                    "description": facts.description,
                }
            ),
        )
        return facts
    if difference := difference_of(begun.settings, facts.settings):
        raise InputError(f"{folder.shown}: {difference}; use the same again, or start in another folder")
    return begun


def facts_of(folder: Folder) -> RunFacts | None:
    """Return what a run is; ``None`` where none was begun.

    Raises:
        InputError: if the file is damaged, or of another version.
    """
    data = folder.read(_FILE)
    if data is None:
        return None
    try:
        row = json.loads(data)
        if row["version"] != _VERSION:
            raise ValueError(f"version {row['version']}")
        categories = tuple(
            Category(int(one["id"]), str(one["name"]), str(one["supercategory"]), str(one["text_id"]))
            for one in row["categories"]
        )
        return RunFacts(dict(row["settings"]), categories, str(row["description"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{folder.shown}/{_FILE}: expected what a run is, got something else ({one_line(str(error))}); "
            "start in another folder"
        ) from error
