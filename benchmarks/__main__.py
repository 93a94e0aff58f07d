"""``python -m benchmarks [NAME ...]``: runs benchmarks and prints Markdown ready for the README.

With ``--keep`` each one's record and plot go into ``benchmarks/results`` and ``benchmarks/results.md`` is
written anew from all records that lie there. To add a benchmark write ``run(quick) -> Report`` and one row
below; the tests run each row with ``--quick``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.after_network import run_after_network
from benchmarks.by_hand import run_by_hand
from benchmarks.clicks import run_clicks
from benchmarks.closer import run_closer
from benchmarks.daily import run_daily
from benchmarks.editor import run_editor
from benchmarks.end_to_end import run_end_to_end
from benchmarks.engines import run_engines
from benchmarks.engines_ap import run_engines_ap
from benchmarks.evaluating import run_evaluating
from benchmarks.explained import run_explained
from benchmarks.felt import run_felt
from benchmarks.first_minute import run_first_minute
from benchmarks.formats import run_formats
from benchmarks.gpu import run_gpu
from benchmarks.kept import RATIOS, about_machine, keep, kept_page
from benchmarks.large_files import run_large_files
from benchmarks.lasso import run_lasso
from benchmarks.many_instances import run_many_instances
from benchmarks.opening import run_opening
from benchmarks.people import run_people
from benchmarks.pipeline import run_pipeline
from benchmarks.prompts import run_prompts
from benchmarks.report import Report
from benchmarks.review import run_review
from benchmarks.screens import run_screens
from benchmarks.service import run_service
from benchmarks.shards import run_shards_benchmark
from benchmarks.sharing import run_sharing
from benchmarks.sizes import run_sizes
from benchmarks.slides import run_slides
from benchmarks.slow_line import run_slow_line
from benchmarks.team import run_team
from benchmarks.thresholds import run_thresholds
from benchmarks.tiles import run_tiles_benchmark
from benchmarks.turning import run_turning
from benchmarks.workers import run_workers
from maskrcnn_core.models.fetching import FETCH_VARIABLE

__all__ = ["BENCHMARKS", "Benchmark", "main"]

_RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True)
class Benchmark:
    """One row of the table of benchmarks.

    Args:
        name: on the command line.
        title: heading of its table.
        shows: one sentence on what is to be seen.
        run: given whether to be quick, measures.
        is_slow: it takes more than ten minutes, so it runs only if it is named, or with ``--slow``.
    """

    name: str
    title: str
    shows: str
    run: Callable[[bool], Report]
    is_slow: bool = False


BENCHMARKS = (
    Benchmark(
        "after_network",
        "After the network: mask probabilities to run lengths",
        "The same strings as stock, without an image-sized canvas for each instance.",
        run_after_network,
    ),
    Benchmark(
        "thresholds",
        "Another threshold",
        "The candidates of one run answer every setting; the network does not run again.",
        run_thresholds,
    ),
    Benchmark(
        "end_to_end",
        "A whole image: pixels to run lengths, areas and boxes",
        "How long a person still waits, and proof that the result is the same.",
        run_end_to_end,
    ),
    Benchmark(
        "engines",
        "Engines: the same network, run otherwise",
        "What each engine saves of a whole image, and how far what it finds is from the exact one's.",
        run_engines,
    ),
    Benchmark(
        "engines_ap",
        "Engines in half precision: AP",
        "What is found with fewer digits is worth as much, measured on ground truth.",
        run_engines_ap,
    ),
    Benchmark(
        "sizes",
        "Nuclei of any size: AP",
        "What the model for nuclei finds where images are smaller or larger, and nobody says so.",
        run_sizes,
    ),
    Benchmark(
        "tiles",
        "Large pictures in tiles: AP and time",
        "Photos side by side give what they give one by one, and time grows with the area.",
        run_tiles_benchmark,
    ),
    Benchmark(
        "gpu",
        "On an NVIDIA GPU: the engine `cuda` beside stock",
        "What a batch takes, where the GPU's time goes, and how far what is found is from exact.",
        run_gpu,
    ),
    Benchmark(
        "pipeline",
        "Whole runs of `annotate`: images a second, and cores that are busy",
        "Reading, network and writing go on at once, on all cores, and the files are the same.",
        run_pipeline,
    ),
    Benchmark(
        "many_instances",
        "Hundreds of instances: the page, its table and the exports",
        "The viewer keeps up with the screen, and no export takes long or needs much memory.",
        run_many_instances,
    ),
    Benchmark(
        "slides",
        "Slides: 400 megapixels with 20,000 instances, opened, moved, run over",
        "Only what is in view is fetched and drawn, and memory does not follow the area.",
        run_slides,
    ),
    Benchmark(
        "formats",
        "Every format: written, and read back",
        "What an image costs in each, and that images which are written do not stay in memory.",
        run_formats,
    ),
    Benchmark(
        "large_files",
        "A COCO file of 118,287 images and 800,000 polygons: into a project and out again",
        "Time and memory are proportional to the file, including checks and read-back.",
        run_large_files,
        is_slow=True,
    ),
    Benchmark(
        "shards",
        "50,000 images in shards, and a million in one COCO file",
        "Memory stays, time grows with the images, and the network has the time to itself.",
        run_shards_benchmark,
        is_slow=True,
    ),
    Benchmark(
        "prompts",
        "A given box: its mask and category",
        "The network's own heads make a mask of a person's box, where detection alone misses the object.",
        run_prompts,
    ),
    Benchmark(
        "closer",
        "A closer look: finer masks of small objects",
        "The network's heads once more on a crop around each object; it pays where an object was seen small.",
        run_closer,
    ),
    Benchmark(
        "lasso",
        "A lasso: the object cut out along its edges",
        "The scissors come closer to an object than the line that was drawn around it, without a network.",
        run_lasso,
    ),
    Benchmark(
        "clicks",
        "Clicks instead of a box",
        "Why no tool has them: masks that clicks choose are worse than that of one drawn box.",
        run_clicks,
    ),
    Benchmark(
        "people",
        "Several people at once",
        "Everybody waits for the network alone; waiting costs next to nothing, and memory comes back.",
        run_people,
    ),
    Benchmark(
        "sharing",
        "A server shared by twenty",
        "The last person waits for the network and little else; nobody waits for another's pile.",
        run_sharing,
    ),
    Benchmark(
        "service",
        "The service under load: fifty clients",
        "Nobody gets an error, and everybody waits for the network alone.",
        run_service,
    ),
    Benchmark(
        "first_minute",
        "The first minute: from starting the server to masks on a photo",
        "Nobody waits for what can be prepared in the meantime.",
        run_first_minute,
    ),
    Benchmark(
        "screens",
        "Every page in six windows",
        "The picture has the window on a large screen, and no part of it is below a small one.",
        run_screens,
    ),
    Benchmark(
        "review",
        "A project of 2,000 images: its pages, and a key to the next image",
        "The image appears before Python hears of the key; what the page calls saved is saved.",
        run_review,
    ),
    Benchmark(
        "felt",
        "As fast as felt: a steady pace, a large crowd, a large picture",
        "The next picture is there when the key is pressed; what is dragged follows; 50 MP open in seconds.",
        run_felt,
    ),
    Benchmark(
        "turning",
        "Turning to the next image, and to another page",
        "A turn costs the server little, and the page is there before one looks for it.",
        run_turning,
    ),
    Benchmark(
        "slow_line",
        "A first review on a line of 1.5 Mbit/s",
        "What a browser must fetch comes compressed and once.",
        run_slow_line,
    ),
    Benchmark(
        "editor",
        "The editor on 12 MP with outlines of 200 corners",
        "The image follows the hand; a corner is on the screen within a frame, an edit is stored at once.",
        run_editor,
    ),
    Benchmark(
        "by_hand",
        "A crowded photo to a clean annotation: keys, clicks and drags",
        "The network's proposals are accepted at once; each missed object costs one drag.",
        run_by_hand,
    ),
    Benchmark(
        "daily",
        "A crowded photo, twice: from nothing with categories of one's own, and with a model",
        "Each object costs one drag without a model, too; with one, most cost nothing.",
        run_daily,
    ),
    Benchmark(
        "explained",
        "The network explained: from a control to the picture",
        "Every control of How it works responds at once, from the real tensors.",
        run_explained,
    ),
    Benchmark(
        "evaluating",
        "Evaluation: COCO's twelve numbers",
        "The numbers that others publish, several times faster, with every field of the files checked.",
        run_evaluating,
    ),
    Benchmark(
        "opening",
        "Checkpoints of other projects: opening a ResNet-101",
        "A file of 250 MB is open in seconds, every value checked.",
        run_opening,
    ),
    Benchmark(
        "team",
        "Several people on one project",
        "Everybody sees what others decide, from one look a second for all pages of the server.",
        run_team,
    ),
    Benchmark(
        "workers",
        "One job on several machines, killed at random",
        "Each image is done once, however often a worker dies.",
        run_workers,
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the named benchmarks; 1 if anything that must be equal was not."""
    os.environ[FETCH_VARIABLE] = "no"  # also for the servers that benchmarks start
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [benchmark.name for benchmark in BENCHMARKS]
    listed = f"of {', '.join(names)}; by default all that take less than ten minutes"
    parser.add_argument("names", nargs="*", metavar="NAME", help=listed)
    parser.add_argument("--slow", action="store_true", help="by default all others")
    parser.add_argument("--quick", action="store_true", help="tiny inputs: shows that it runs, not how fast")
    parser.add_argument("--output", type=Path, help="file for the tables")
    parser.add_argument("--keep", action="store_true", help="keep records and plots; write results.md anew")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(names):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if options.keep and options.quick:
        parser.error("--keep: the times of a --quick run mean nothing; leave one of both out")

    parts, equal = [_header(options.quick)], True
    for benchmark in _chosen(options.names, options.slow):
        print(f"{benchmark.name} ...", file=sys.stderr, flush=True)
        start = time.perf_counter()
        report = benchmark.run(options.quick)
        took = time.perf_counter() - start
        print(f"{benchmark.name}: {took:.0f} s", file=sys.stderr, flush=True)
        parts.append(f"## {benchmark.title}\n\n{benchmark.shows}\n\n{report.markdown()}")
        equal = equal and all(claim.held for claim in report.claims if claim.kind == "equality")
        if options.keep:
            keep(benchmark.name, report, _RESULTS, took=took)
            page = kept_page([(b.name, b.title, b.shows) for b in BENCHMARKS], _RESULTS)
            _RESULTS.with_suffix(".md").write_text(page, encoding="utf-8")
    text = "\n\n".join(parts) + "\n"
    print(text)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    return 0 if equal else 1


def _chosen(names: Sequence[str], is_slow: bool) -> list[Benchmark]:
    return [b for b in BENCHMARKS if (b.name in names if names else b.is_slow == is_slow)]


def _header(quick: bool) -> str:
    warning = "A quick run on tiny inputs: the times mean nothing. " if quick else ""
    return f"# Benchmarks\n\n{warning}{about_machine()}. {RATIOS}"


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)  # torchvision's, on its own internals
    sys.exit(main())
