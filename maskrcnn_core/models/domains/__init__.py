"""The domains that models are for: one row each, which cards, menus, pages, the README and tests read.

A model finds what it knows wherever it looks: nuclei in a street, triangles among nuclei. So each says for
which pictures it was made, a person chooses by a picture, and only the categories of that domain are offered.
Whether a picture fits is guessed by :mod:`maskrcnn_core.models.domains.rule`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from maskrcnn_core.dataset.categories import COCO_CATEGORIES
from maskrcnn_core.errors import InputError

__all__ = ["DOMAINS", "OWN", "Domain", "check_domains", "domain_by_key", "domains_of", "offered_names"]

OWN = "own"
"""The domain of models that were trained here, or loaded: a person's own images and categories."""


@dataclass(frozen=True)
class Domain:
    """One row of the table of domains.

    Args:
        key: in model cards and addresses.
        title: on its button.
        finds: one clause on what its models find.
        looks_like: how a picture of it is called in a sentence; empty where pictures do not tell.
        sample: key of the sample (:mod:`maskrcnn_core.synthetic.samples`) that stands for it; empty for none.
        categories: names of what its models are asked for; empty for all that they know.
    """

    key: str
    title: str
    finds: str
    looks_like: str
    sample: str
    categories: frozenset[str]


DOMAINS: tuple[Domain, ...] = (
    Domain(
        "photos",
        "Photos",
        "80 everyday things: people, vehicles, animals, food, furniture",
        "a photo",
        "cat",
        frozenset(category.name for category in COCO_CATEGORIES),
    ),
    Domain(
        "microscopy",
        "Microscopy",
        "stained or fluorescent nuclei, and nothing else",
        "an image from a microscope",
        "fluorescence",
        frozenset({"nucleus"}),
    ),
    Domain(
        "drawings",
        "Drawings",
        "drawn shapes: circles, squares and triangles",
        "a drawing",
        "shapes",
        frozenset({"circle", "square", "triangle"}),
    ),
    Domain(OWN, "My own", "the categories that your own model has learned", "", "", frozenset()),
)
"""The domains, in the order of their buttons."""


def domain_by_key(key: str) -> Domain:
    """Return the row with this key.

    Raises:
        InputError: naming the keys that there are.
    """
    for domain in DOMAINS:
        if domain.key == key:
            return domain
    raise InputError(f"domain {key!r}: expected one of {', '.join(d.key for d in DOMAINS)}")


def domains_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return keys of the domains of which a model of these categories knows all.

    If there is none, the domain of people's own models.
    """
    known = frozenset(names)
    found = tuple(d.key for d in DOMAINS if d.categories and d.categories <= known)
    return found or (OWN,)


def check_domains(keys: Iterable[str]) -> tuple[str, ...]:
    """Return the keys if each of them is one.

    Raises:
        InputError: naming the first that is none.
    """
    return tuple(domain_by_key(key).key for key in keys)


def offered_names(key: str, names: Iterable[str]) -> list[str]:
    """Return which of a model's categories are offered in a domain, in the model's order.

    If they fit none of them, all are.
    """
    known = list(names)
    wanted = domain_by_key(key).categories
    return [name for name in known if name in wanted] or known
