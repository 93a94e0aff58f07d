"""``python -m benchmarks [NAME ...]``: runs benchmarks and prints Markdown ready for the README.

A full run (all of them, not ``--quick``) also writes ``benchmarks/results.md``. To add a benchmark write
``run(quick) -> Report`` and one row below; the tests run each row with ``--quick``.
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

import torch
import torchvision

from benchmarks.after_network import run_after_network
from benchmarks.editor import run_editor
from benchmarks.end_to_end import run_end_to_end
from benchmarks.evaluating import run_evaluating
from benchmarks.explained import run_explained
from benchmarks.first_minute import run_first_minute
from benchmarks.large_files import run_large_files
from benchmarks.many_instances import run_many_instances
from benchmarks.people import run_people
from benchmarks.prompts import run_prompts
from benchmarks.report import Report
from benchmarks.review import run_review
from benchmarks.thresholds import run_thresholds
from benchmarks.walk import run_walk
from maskrcnn_core.fetching import FETCH_VARIABLE

__all__ = ["BENCHMARKS", "Benchmark", "main"]

_RESULTS = Path(__file__).with_name("results.md")


@dataclass(frozen=True)
class Benchmark:
    """One row of the table of benchmarks.

    Args:
        name: on the command line.
        title: heading of its table.
        shows: one sentence on what is to be seen.
        run: given whether to be quick, measures.
    """

    name: str
    title: str
    shows: str
    run: Callable[[bool], Report]


BENCHMARKS = (
    Benchmark(
        "after_network",
        "After the network: mask probabilities to run lengths",
        "The same strings as stock's, without a canvas of the image's size for each instance.",
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
        "What is left for a person to wait for, and that nothing said of the image changes.",
        run_end_to_end,
    ),
    Benchmark(
        "many_instances",
        "Hundreds of instances: the page, its table and the exports",
        "The viewer keeps the pace of the screen, and no export takes long or much memory.",
        run_many_instances,
    ),
    Benchmark(
        "large_files",
        "A COCO file of 118,287 images and 800,000 polygons: into a project and out again",
        "Time and memory grow with the file and no faster, checks and read-back included.",
        run_large_files,
    ),
    Benchmark(
        "prompts",
        "A box that is given: its mask and category",
        "The network's own heads make a mask of a person's box, where detection alone misses the object.",
        run_prompts,
    ),
    Benchmark(
        "people",
        "Several people at once",
        "The network is what all wait for; waiting itself costs next to nothing, and memory comes back.",
        run_people,
    ),
    Benchmark(
        "first_minute",
        "The first minute: from starting the server to masks on a photo",
        "Nobody waits for what can be made ready meanwhile.",
        run_first_minute,
    ),
    Benchmark(
        "review",
        "A project of 2,000 images: its pages, and a key to the next picture",
        "The picture is there before Python has heard of the key; what is said to be saved is.",
        run_review,
    ),
    Benchmark(
        "editor",
        "The editor on 12 MP with outlines of 200 corners",
        "The picture moves with the hand; a corner is on the screen in a frame, an edit stored at once.",
        run_editor,
    ),
    Benchmark(
        "walk",
        "A crowded photo to a clean annotation: keys, clicks and drags",
        "What the network proposes is accepted at once; what it missed costs a drag each.",
        run_walk,
    ),
    Benchmark(
        "explained",
        "The network explained: from a control to the picture",
        "Every control of the walk is answered before one has looked up, from the real tensors.",
        run_explained,
    ),
    Benchmark(
        "evaluating",
        "Evaluation: COCO's twelve numbers",
        "The numbers that others publish, several times as quick, with every field of the files checked.",
        run_evaluating,
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the named benchmarks; 1 if anything that must be equal was not."""
    os.environ[FETCH_VARIABLE] = "no"  # also for the servers that benchmarks start
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [benchmark.name for benchmark in BENCHMARKS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all by default")
    parser.add_argument("--quick", action="store_true", help="tiny inputs: shows that it runs, not how fast")
    parser.add_argument("--output", type=Path, help="file for the tables")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(names):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = [b for b in BENCHMARKS if not options.names or b.name in options.names]

    parts, equal = [_header(options.quick)], True
    for benchmark in chosen:
        print(f"{benchmark.name} ...", file=sys.stderr, flush=True)
        start = time.perf_counter()
        report = benchmark.run(options.quick)
        print(f"{benchmark.name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        parts.append(f"## {benchmark.title}\n\n{benchmark.shows}\n\n{report.markdown()}")
        equal = equal and all(claim.held for claim in report.claims if claim.kind == "equality")
    text = "\n\n".join(parts) + "\n"
    print(text)
    output = options.output or (_RESULTS if len(chosen) == len(BENCHMARKS) and not options.quick else None)
    if output is not None:
        output.write_text(text, encoding="utf-8")
    return 0 if equal else 1


def _header(quick: bool) -> str:
    gpu = "a GPU is present but not used" if torch.cuda.is_available() else "no GPU"
    about = (
        f"{os.cpu_count()} CPU cores, {gpu}; torch {torch.__version__}, torchvision "
        f"{torchvision.__version__}. Medians of calls that took turns: compare the ratios, as seconds vary "
        "with the machine and its load."
    )
    return (
        "# Benchmarks\n\n" + ("A quick run on tiny inputs: the times mean nothing. " if quick else "") + about
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)  # torchvision's, on its own internals
    sys.exit(main())
