"""Which images a model is for: a choice next to its name, and a hint if an image does not fit."""

from __future__ import annotations

import streamlit as st

from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import CoreError, InputError
from maskrcnn_core.models.catalog import model_by_key, models_of
from maskrcnn_core.models.domains import DOMAINS, OWN, Domain, domain_by_key, offered_names
from maskrcnn_core.models.domains.rule import Guess, guess_domain
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.models.weights_files import weights_file
from pages.shared.cached import domain_picture
from pages.shared.session import UiState

__all__ = [
    "choose_domain",
    "choose_for_sample",
    "draw_domain_choice",
    "draw_domain_hint",
    "draw_hint_of",
    "fit_domain",
    "offered_categories",
]

_ACROSS = 2


def fit_domain(state: UiState) -> None:
    """Let the domain follow the chosen model if that is for other images."""
    known = _domains_of_model(state)
    if state.domain not in known:
        state.domain = known[0]


def _domains_of_model(state: UiState) -> tuple[str, ...]:
    if state.model_key in state.custom:
        return (OWN,)
    try:
        return model_by_key(state.model_key).domains
    except InputError:  # none is chosen yet, or its file has gone
        return (DOMAINS[0].key,)


def _models_in(state: UiState, domain: str) -> list[str]:
    """Return the keys of the models that a domain offers and that are ready, best first."""
    own = list(state.custom) if domain == OWN else []
    return own + [spec.key for spec in models_of(domain) if weights_file(spec) is not None]


def choose_domain(state: UiState, domain: str) -> None:
    """Go to a domain, with the chosen model if that is for it, else with its best one that is ready."""
    if domain not in _domains_of_model(state) and (ready := _models_in(state, domain)):
        # A better model for photos may still come and take over; nothing comes for nuclei or shapes.
        state.ask_for_model(ready[0], is_chosen=domain != DOMAINS[0].key)
    if domain != state.domain:
        state.domain, state.only_categories = domain, []
        state.forget_kept_kinds()


def choose_for_sample(state: UiState, domain: str) -> None:
    """Go to the domain of a sample; a person's own model stays chosen."""
    if state.domain != OWN:
        choose_domain(state, domain)


def offered_categories(state: UiState, model: LoadedModel) -> tuple[Category, ...]:
    """Return the model's categories that the chosen domain offers: what files and projects get."""
    categories = model.label_map.categories
    if not state.domain:
        return categories
    names = set(offered_names(state.domain, (category.name for category in categories)))
    return tuple(category for category in categories if category.name in names)


def draw_domain_choice(state: UiState) -> None:
    """Draw the domains as pictures, each with a button; mark the chosen one, and name it in a sentence."""
    for first in range(0, len(DOMAINS), _ACROSS):
        columns = st.columns(_ACROSS, gap="small")
        for column, domain in zip(columns, DOMAINS[first : first + _ACROSS], strict=False):
            with column:
                _draw_button(state, domain)
    chosen = domain_by_key(state.domain)
    st.caption(f"**{chosen.title}**: {chosen.finds}.")


def _draw_button(state: UiState, domain: Domain) -> None:
    is_there = bool(_models_in(state, domain.key))
    alt = f"Example: {domain.title}"
    st.image(domain_picture(domain.key), width="stretch", alt=alt)
    st.button(
        domain.title,
        key=f"domain-{domain.key}",
        type="primary" if domain.key == state.domain else "secondary",
        help=f"Finds {domain.finds}." if is_there else "None yet: train one, or load one on the Models page.",
        on_click=choose_domain,
        args=(state, domain.key),
        disabled=not is_there,
        width="stretch",
    )


def draw_domain_hint(state: UiState) -> None:
    """Say that the current image seems to be of another domain, and offer to go there in one click.

    Keeping the chosen one applies to this image; if several are open, it can apply to all such images.
    """
    guess = _guess_of_current(state)
    if guess is not None and state.current is not None:
        draw_hint_of(state, state.current, guess, is_alone=len(state.workspace.images) == 1)


def draw_hint_of(state: UiState, digest: str, guess: Guess, *, is_alone: bool) -> None:
    """Draw what :func:`draw_domain_hint` draws, of any picture.

    Args:
        state: the session's.
        digest: of the picture.
        guess: what it seems to be.
        is_alone: whether no other picture is open.
    """
    if not guess.is_sure or guess.domain == state.domain or state.domain == OWN:
        return
    if {(digest, state.domain), (guess.domain, state.domain)} & state.domains_kept:
        return
    seems, chosen = domain_by_key(guess.domain), domain_by_key(state.domain)

    def keep(what: str) -> None:
        state.domains_kept.add((what, chosen.key))

    with st.container(border=True, gap="small", key="domain-hint"):
        st.markdown(
            f":material/travel_explore: This looks like {seems.looks_like}. **{chosen.title}** finds "
            f"{chosen.finds}."
        )
        st.button(
            f"Switch to {seems.title}",
            key="switch-domain",
            type="primary",
            on_click=choose_domain,
            args=(state, seems.key),
            width="stretch",
        )
        st.button(
            f"Keep {chosen.title}",
            key="keep-domain",
            help="For this image only; another image that does not fit shows the hint again.",
            on_click=keep,
            args=(digest,),
            width="stretch",
        )
        if not is_alone:
            st.button(
                "Keep for all such images",
                key="keep-domain-for-all",
                help=f"For all images that look like {seems.looks_like}, until you close all images or "
                "choose another domain.",
                on_click=keep,
                args=(seems.key,),
                width="stretch",
            )


def _guess_of_current(state: UiState) -> Guess | None:
    """Guess what the current image is; None for samples, which open with the model that fits."""
    digest = state.current
    if digest is None or digest not in state.workspace.images or digest in state.samples_open:
        return None
    key = (digest, state.workspace.stretch)
    if key not in state.guesses:
        try:
            state.guesses[key] = guess_domain(state.workspace.pixels(digest))
        except CoreError:  # the picture says itself what is wrong with it
            return None
    return state.guesses[key]
