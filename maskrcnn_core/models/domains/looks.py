"""What many images look like, compared with what a model is for: counted, and told in a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import numpy as np
import numpy.typing as npt

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.models.domains import DOMAINS, OWN, domain_by_key, offered_names
from maskrcnn_core.models.domains.rule import Guess, guess_domain

__all__ = ["Looks"]


class Looks:
    """A count of what images seem to be.

    Args:
        is_sample: whether they stand for more than are looked at.

    Attributes:
        seen: how many were looked at, also those of which nothing can be said for sure.
        sure: how many of them are surely of a domain, by its key.
    """

    def __init__(self, *, is_sample: bool = False) -> None:
        self._noun = "sampled image" if is_sample else "image"
        self.seen = 0
        self.sure: Counter[str] = Counter()

    def look(self, pixels: npt.NDArray[np.uint8]) -> None:
        """Look at an image, uint8 ``[H, W, 3]`` RGB: some 20 ms of one core."""
        self.add(guess_domain(pixels))

    def add(self, guess: Guess) -> None:
        """Take a guess that was made."""
        self.seen += 1
        if guess.is_sure:
            self.sure[guess.domain] += 1

    def join(self, other: Looks) -> None:
        """Take what was counted of other images."""
        self.seen += other.seen
        self.sure += other.sure

    @property
    def domain(self) -> str:
        """Key of the domain that most are surely of; empty where none is."""
        found = [domain.key for domain in DOMAINS if self.sure[domain.key]]
        return max(found, key=lambda key: self.sure[key], default="")

    def told(self, domain: str) -> str:
        """Return a clause with counts: ``12 of 12 images look like microscopy``."""
        count = self.sure[domain]
        look = "looks" if count == 1 else "look"
        title = domain_by_key(domain).title.lower()
        return f"{count:,} of {counted(self.seen, self._noun)} {look} like {title}"

    def misfits(self, domains: Collection[str]) -> list[str]:
        """Return keys of the domains that images are surely of and a model is not for, most images first.

        Args:
            domains: the model's; to a person's own (:data:`~maskrcnn_core.models.domains.OWN`) everything
                fits.
        """
        keys = [] if OWN in domains else [key for key in self.sure if key not in domains]
        return sorted(keys, key=lambda key: -self.sure[key])

    def offered(self, domains: Collection[str], names: Iterable[str]) -> list[str]:
        """Return which of a model's categories are offered for these images, in the model's order.

        Those of the model's domains that pictures are surely of; all where there is none, or the model is a
        person's own.

        Args:
            domains: the model's.
            names: of all of its categories.
        """
        known = list(names)
        fitting = [] if OWN in domains else [key for key in domains if self.sure[key]]
        wanted = {name for key in fitting for name in offered_names(key, known)}
        return [name for name in known if name in wanted] or known
