"""What a project's images look like: which model is offered for them, and what it is asked for."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from functools import cached_property

from maskrcnn_core.errors import CoreError
from maskrcnn_core.images.reading import Stretch
from maskrcnn_core.models.catalog import default_model
from maskrcnn_core.models.choice import OPTION, best_of, fitting_model, is_known, told_misfits
from maskrcnn_core.models.domains import OWN, domain_by_key, offered_names
from maskrcnn_core.models.domains.looks import Looks
from maskrcnn_core.models.domains.rule import Guess, guess_domain
from maskrcnn_core.models.spec import LoadedModel, ModelSpec
from maskrcnn_core.projects.records import ImageRow
from maskrcnn_core.projects.seeing import pixels_of, stretch_of
from maskrcnn_core.projects.store import Store

__all__ = ["SAMPLE", "Fit", "looks_of"]

SAMPLE = 8
"""Images of a project that are looked at, at most: some 20 ms each, and what decoding takes."""

Guesses = MutableMapping[tuple[str, Stretch], Guess]


def looks_of(store: Store, project_id: int, known: Guesses | None = None) -> Looks:
    """Return what an evenly spread sample of a project's images looks like, as the project shows them.

    Args:
        store, project_id: whose.
        known: guesses by digest and stretch, which are not made again; new ones are added.

    Returns:
        The counts; images that cannot be read count for nothing.
    """
    known = {} if known is None else known
    stretch = stretch_of(store.project(project_id))
    rows = [row for row in store.images(project_id) if row.digest]
    looks = Looks(is_sample=len(rows) > SAMPLE)
    for image in _spread(rows):
        key = (image.digest, stretch)
        if key not in known:
            try:
                known[key] = guess_domain(pixels_of(store, image, stretch))
            except CoreError:
                continue  # the page and the run say what is wrong with it
        looks.add(known[key])
    return looks


def _spread(rows: Sequence[ImageRow]) -> list[ImageRow]:
    count = min(SAMPLE, len(rows))
    return [rows[at * len(rows) // count] for at in range(count)]


class Fit:
    """What is offered for a project's images. They are looked at once that must be known, and not before.

    Args:
        store, project_id: whose.
        domain: key of the domain that a person asks for; ``None`` where the images decide.
        known: as for :func:`looks_of`.

    Raises:
        InputError: for an unknown domain.
    """

    def __init__(
        self, store: Store, project_id: int, domain: str | None = None, known: Guesses | None = None
    ) -> None:
        if domain is not None:
            domain_by_key(domain)
        self.domain = domain
        self._store, self._project_id, self._known = store, project_id, known

    @cached_property
    def looks(self) -> Looks:
        """What the images look like."""
        return looks_of(self._store, self._project_id, self._known)

    def model(self) -> ModelSpec:
        """Return the model that is offered.

        It is the ready one that knows most of the project's categories, unless it is MaskDesk's own and the
        images look like another domain, whose model knows some of them, too: no shapes among nuclei. Where
        none knows any, it is the best for what the images look like.

        Raises:
            InputError: if there is none for the domain that was asked for.
            WeightsError: if no model is ready.
        """
        if self.domain is not None:
            return best_of(self.domain)
        categories = [row.name for row in self._store.categories(self._project_id)]
        if not is_known(categories):
            return fitting_model(self.looks)
        knowing = default_model(categories)
        if OWN in knowing.domains or self.looks.domain in knowing.domains:
            return knowing
        fitting = fitting_model(self.looks)
        wanted = {name.casefold() for name in categories}
        is_of_use = any(category.name.casefold() in wanted for category in fitting.label_map)
        return fitting if is_of_use else knowing

    def offered(self, model: ModelSpec | LoadedModel) -> list[str]:
        """Return which of a model's categories are offered for the images, in its order."""
        names = [category.name for category in model.label_map]
        if self.domain is not None:
            return offered_names(self.domain, names)
        return names if OWN in model.domains else self.looks.offered(model.domains, names)

    def misfits(self, model: ModelSpec | LoadedModel, helps: str = OPTION) -> list[str]:
        """Return sentences on images that a model is not for; none for a person's own.

        ``helps`` is as for :func:`~maskrcnn_core.models.choice.told_misfits`.
        """
        if OWN in model.domains:
            return []
        wanted = [row.name for row in self._store.categories(self._project_id)]
        return told_misfits(self.looks, model, self.domain, helps, wanted)

    def told(self, model: ModelSpec | LoadedModel) -> str:
        """Return a clause on why a model is offered so.

        Empty where nothing is sure, or somebody asked for it.
        """
        if self.domain is not None or OWN in model.domains:
            return ""
        return " and ".join(self.looks.told(key) for key in model.domains if self.looks.sure[key])
