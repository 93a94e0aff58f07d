"""Which model suits some images: by a domain that a person names, or by what the images look like."""

from __future__ import annotations

from collections.abc import Collection

from maskrcnn_core.errors import InputError
from maskrcnn_core.models.catalog import default_model, models_of, ready_models
from maskrcnn_core.models.domains import domain_by_key, offered_names
from maskrcnn_core.models.domains.looks import Looks
from maskrcnn_core.models.spec import LoadedModel, ModelSpec
from maskrcnn_core.models.weights_files import weights_file

__all__ = ["OPTION", "best_of", "check_domain", "fitting_model", "is_known", "told_misfits"]

_FEW = 4
"""Categories that a sentence can name."""


def best_of(domain: str) -> ModelSpec:
    """Return the best model for the images of a domain, one that is ready where there is one.

    Raises:
        InputError: for an unknown domain, or where a person has no model of their own.
    """
    domain_by_key(domain)
    for spec in models_of(domain):
        return spec
    raise InputError(f"domain {domain!r}: there is no model for it yet; 'train' trains one, 'add' adds one")


def check_domain(model: ModelSpec | LoadedModel, domain: str) -> None:
    """Check that a model is for a domain.

    Raises:
        InputError: if the domain is unknown or not one of the model's, naming its domains and fitting models.
    """
    domain_by_key(domain)
    if domain not in model.domains:
        others = ", ".join(spec.key for spec in models_of(domain)) or "none yet"
        raise InputError(
            f"domain {domain!r}: {model.key} is for {' and '.join(model.domains)}; models for "
            f"{domain}: {others}"
        )


def is_known(categories: Collection[str]) -> bool:
    """Return whether a ready model knows one of these names, in any case."""
    wanted = {name.casefold() for name in categories}
    return any(category.name.casefold() in wanted for spec in ready_models() for category in spec.label_map)


def fitting_model(looks: Looks) -> ModelSpec:
    """Return the best ready model for what images look like; the default for photos where nothing is sure.

    Raises:
        WeightsError: as :func:`~maskrcnn_core.models.catalog.default_model`.
    """
    default = default_model()
    if not looks.domain or looks.domain in default.domains:
        return default
    ready = (spec for spec in models_of(looks.domain) if weights_file(spec) is not None)
    return next(ready, default)


OPTION = "--domain {domain} takes {key} and finds {finds}"
"""What helps, on a command line."""


def told_misfits(
    looks: Looks,
    model: ModelSpec | LoadedModel,
    asked: str | None = None,
    helps: str = OPTION,
    wanted: Collection[str] = (),
) -> list[str]:
    """Return sentences on images that a model is not for: how many, and which option helps.

    Args:
        looks: what the pictures look like.
        model: what runs over them; to one of a person's own everything fits.
        asked: key of the domain that was asked for, if one was.
        helps: how another model is taken: its ``{key}``, ``{title}`` and ``{domain}``, what it ``{finds}``.
        wanted: the categories that what is found has to have, where not all will do.
    """
    domains = model.domains if asked is None else (asked,)
    said = []
    for key in looks.misfits(domains):
        titles = " and ".join(domain_by_key(own).title.lower() for own in domains)
        here = f"the model {model.key} is {'for' if asked is None else 'asked for'}"
        ready = next((spec for spec in models_of(key) if weights_file(spec) is not None), None)
        how = ""
        if ready is not None:
            names = offered_names(key, [category.name for category in ready.label_map])
            finds = f"{', '.join(names)} only" if len(names) <= _FEW else domain_by_key(key).finds
            how = f"; {helps.format(domain=key, key=ready.key, title=ready.title, finds=finds)}"
            folded = {name.casefold() for name in wanted}
            if folded and helps == OPTION and not any(name.casefold() in folded for name in names):
                how += f" (none of it is a category here: add --map {names[0]}={next(iter(wanted))})"
        said.append(f"{looks.told(key)}, but {here} {titles}{how}")
    return said
