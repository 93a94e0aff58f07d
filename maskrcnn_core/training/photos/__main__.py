"""``python -m maskrcnn_core.training.photos``: what ``make photos`` calls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maskrcnn_core.common.terminal import bar_of, errors_told, shown_on
from maskrcnn_core.models.catalog import PHOTOS_FILE
from maskrcnn_core.training.photos.data import Photos
from maskrcnn_core.training.photos.keeping import HELD_OUT, measure, model_file, put_into_box, write_model
from maskrcnn_core.training.photos.run import Run, Settings
from maskrcnn_core.training.photos.together import Job, train_together

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

_Photos = Annotated[Path, typer.Option(help="Folder with instances.json.gz and images.")]
_Val = Annotated[
    Path | None, typer.Option(help="Folder with instances.json and images, measured only to be reported.")
]
_Build = Annotated[Path, typer.Option(help="Folder of the checkpoint and of the weights so far.")]

_BUILD = Path("build/photos")


@app.command()
def train(
    photos: _Photos,
    build: _Build = _BUILD,
    start: Annotated[
        str, typer.Option("--from", help="Weights with a card, or imagenet. [default: the built-in ones]")
    ] = str(PHOTOS_FILE),
    steps: Annotated[
        int, typer.Option(help="Steps of the whole run; a step has 16 samples.")
    ] = Settings.steps,
    processes: Annotated[int, typer.Option(help="Processes, one per core.")] = Settings.processes,
    rate: Annotated[float, typer.Option(help="The highest rate of the heads.")] = Settings.rate,
    body_rate: Annotated[float, typer.Option(help="The highest rate of the body.")] = Settings.body_rate,
    precision: Annotated[
        str, typer.Option(help="bfloat16 or float32. [default: the faster one, measured]")
    ] = "",
) -> None:
    """Train, or resume a run; the weights so far are in the build folder, with a card."""

    def on_save(run: Run, data: Photos) -> None:
        write_model(run, data, build)

    with errors_told():
        build.mkdir(parents=True, exist_ok=True)
        settings = Settings(steps=steps, processes=processes, rate=rate, body_rate=body_rate)
        job = Job(photos, build, start, settings, precision)
        train_together(job, on_save=on_save, tell=lambda text: print(text, flush=True))


@app.command()
def finish(
    steps: Annotated[int, typer.Argument(help="Time after which the run ends.", min=1)],
    build: _Build = _BUILD,
) -> None:
    """Bring the run under way to its end within this many steps."""
    build.joinpath("finish").write_text(str(steps))


@app.command("measure")
def measure_weights(
    photos: _Photos,
    val: _Val = None,
    build: _Build = _BUILD,
    file: Annotated[
        Path | None,
        typer.Option("--weights", help="Weights with a card. [default: those in the build folder]"),
    ] = None,
) -> None:
    """Measure weights, and write their figures and best score threshold into their card."""
    with errors_told(), bar_of(total=None, unit="image", quiet=False) as bar:
        card = measure(file or model_file(build), photos, val, shown_on(bar))
    for row in (card.settings[HELD_OUT], *card.results):
        print(f"{row['name']}: box AP {row['box AP']:.4f}, mask AP {row['mask AP']:.4f}")
    print(f"score threshold {card.score_threshold:g}")


@app.command()
def keep(build: _Build = _BUILD) -> None:
    """Put measured weights into the package if they are better by a tenth than those there."""
    with errors_told():
        print(put_into_box(model_file(build), PHOTOS_FILE))


if __name__ == "__main__":
    app(prog_name="python -m maskrcnn_core.training.photos")
