"""``python -m maskrcnn_core.training.domain_rule``: makes the rule, and prints how often it is right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from safetensors.numpy import load_file

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.models.domains.eyes import body_names
from maskrcnn_core.models.domains.rule import RULE_FILE, the_rule
from maskrcnn_core.training.domain_rule.fitting import confusion, fit, rule_bytes, see_held_out, see_learned
from maskrcnn_core.training.domain_rule.sources import held_out_sources, learned_sources

_STAGES = 7
_PREFIX = "backbone.body."


def main(
    photos: Annotated[Path | None, typer.Option(help="Folder of photos to learn from.")] = None,
    nuclei: Annotated[Path | None, typer.Option(help="Data Science Bowl 2018, with its JSON.")] = None,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of DOMAIN/SOURCE/pictures to measure on."),
    ] = None,
    body: Annotated[
        Path | None,
        typer.Option(help="Photo model whose backbone looks at the images. [default: the current one]"),
    ] = None,
    measure_only: Annotated[bool, typer.Option(help="Leave the rule as it is.")] = False,
) -> None:
    """Make the rule from photos, nuclei and drawings, and report how it does on other sources."""
    if not measure_only:
        if photos is None or nuclei is None:
            raise typer.BadParameter("expected --photos and --nuclei, or --measure-only")
        stages = the_rule().body if body is None else _stages_of(body)
        learned = []
        for source in learned_sources(photos, nuclei):
            learned.append(see_learned(source, stages))
            typer.echo(
                f"{source.name}: {len(source.pictures)} pictures, {len(learned[-1].responses)} with variants"
            )
        replace_file(RULE_FILE, rule_bytes(fit(learned, stages)))
        the_rule.cache_clear()
        typer.echo("\nLearned from:\n" + "\n".join(confusion(the_rule(), learned)))
    rule = the_rule()
    held = [seen for s in held_out_sources(nuclei, held_out or []) for seen in see_held_out(s, rule.body)]
    typer.echo("\nHeld out:\n" + "\n".join(confusion(rule, held)))


def _stages_of(model: Path) -> Mapping[str, npt.NDArray[np.float32]]:
    """Return a photo model's body, by the names in it."""
    tensors = load_file(model)
    named = {n.removeprefix(_PREFIX): v for n, v in tensors.items() if n.startswith(_PREFIX)}
    return {name: named[name].astype(np.float32) for name in body_names(list(named), _STAGES)}


if __name__ == "__main__":
    typer.run(main)
