"""``python -m benchmarks.gpu``: the engine ``cuda`` beside stock on a GPU, and what has to hold there.

It needs torch 2.11 or newer with torchvision and NumPy, this checkout, and nothing else: no network and no
weights. What a bare machine lacks is made up for (``benchmarks/gpu_bare.py``), but for AP, which needs
``pip install filelock hotcoco msgspec numba orjson pillow pycocotools pyyaml safetensors shapely``.
Rows come in the order of their weight, until the minutes are over; a table and JSON are written.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.gpu_bare import lacking, stand_in
from benchmarks.report import NOT_MEASURED, Claim, Report, megabytes, times

if TYPE_CHECKING:
    from maskrcnn_core.inference.engines.spec import Engine
    from maskrcnn_core.models.spec import LoadedModel

__all__ = ["main", "run_gpu"]

_COLUMNS = (
    "network, precision, batch",
    "stock",
    "exact",
    "cuda",
    "stock to cuda",
    "GPU busy",
    "after the network",
    "peak",
    "beside exact",
)
_CLAIMED = ("R50-FPN v2", "bf16", 8)
_MOST_MS, _LEAST_TIMES = 10.0, 3.0
_LEAST_BUSY, _MOST_AFTER = 0.85, 0.30
_MOST_AP_LOSS = 0.1
"""In percent points, as AP is published."""


@dataclass(frozen=True)
class Row:
    """What was measured of one network, precision and batch; milliseconds are of an image.

    Args:
        busy: share of the clock in which the GPU works on passes.
        after: share of its work that comes after the network: selection, suppression, packing.
        peak: bytes of GPU memory.
        matched: share of the exact way's detections that were found.
    """

    network: str
    precision: str
    batch: int
    stock: float
    exact: float
    cuda: float
    busy: float | None
    after: float | None
    is_graph: bool
    peak: int
    matched: float
    sameness: str

    @property
    def cells(self) -> tuple[str, ...]:
        """A line of the table."""
        return (
            f"{self.network}, {self.precision}, {self.batch}",
            *(f"{value:.2f} ms" for value in (self.stock, self.exact, self.cuda)),
            times(self.stock, self.cuda),
            *(NOT_MEASURED if share is None else f"{share:.0%}" for share in (self.busy, self.after)),
            megabytes(self.peak) if self.peak else NOT_MEASURED,
            self.sameness,
        )


@dataclass
class Measured:
    """All that a run found out."""

    device: str
    rows: list[Row] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def report(self) -> Report:
        """The table with its claims."""
        cells = tuple(row.cells for row in self.rows) or (("no row", *[NOT_MEASURED] * 8),)
        return Report(_COLUMNS, cells, tuple(self.claims), tuple(self.notes))


def run_gpu(quick: bool) -> Report:
    """Measures where there is a GPU; elsewhere the quick run shows that the script runs."""
    if quick or torch.cuda.is_available():
        name = "cuda" if torch.cuda.is_available() and not quick else "cpu"
        return measure(torch.device(name), quick=quick, minutes=8).report()
    text = "not measured: this machine has no NVIDIA GPU"
    return Report(_COLUMNS, (("all", *[NOT_MEASURED] * 8),), (), (f"{text}.",))


def measure(device: torch.device, *, quick: bool, minutes: float) -> Measured:
    """Measures row by row, until the minutes are over.

    Args:
        device: a GPU; or the CPU, on which only the quick run ends.
        quick: tiny inputs and one row of each kind: shows that it runs.
        minutes: no row is begun after these.
    """
    stood_in = stand_in()
    # Only now: what these import may be missing on a bare machine.
    from benchmarks.gpu_measuring import FULL, QUICK, Ways, waits_for_nothing
    from benchmarks.gpu_networks import NETWORKS, drawn_images

    end = time.monotonic() + 60 * minutes
    measured = Measured(_name(device))
    if stood_in:
        measured.notes.append(f"Stand-ins for {', '.join(stood_in)}: the processor's part is slower.")
    if device.type != "cuda":
        measured.notes.append("Not measured on a GPU: the figures show that the script runs.")
    extent, models, left_out = (QUICK if quick else FULL), {}, 0
    for name, precision, batch in _order(quick):
        if time.monotonic() > end:
            left_out += 1
            continue
        _tell(f"{name}, {precision}, batch {batch}")
        if name not in models:
            network = next(one for one in NETWORKS if one.title == name)
            models[name] = network.model(extent.sides, extent.regions, device)
        try:
            images = drawn_images(batch, extent.sides)
            ways = Ways(models[name], images, device, _DTYPES[precision], extent)
            if not measured.rows:
                _check_waiting(measured, waits_for_nothing(ways), device)
            measured.rows.append(_row(ways, name, precision, batch))
        except torch.OutOfMemoryError as error:
            measured.notes.append(f"{name}, {precision}, batch {batch}: left out, {str(error)[:80]}")
        _forget(device)
    if left_out:
        measured.notes.append(f"Left out for want of time: {left_out} rows; `--minutes` gives more.")
    _claim_costs(measured, device)
    _claim_sameness(measured)
    _add_ap(measured, device, quick)
    return measured


_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def _order(quick: bool) -> list[tuple[str, str, int]]:
    """Rows in the order of their weight: what claims are about first."""
    if quick:
        return [("R50-FPN v1", "fp32", 2)]
    names = ("R50-FPN v2", "R50-FPN v1", "R101-FPN v1")
    rows = [_CLAIMED, ("R50-FPN v2", "fp32", 8)]
    rows += [(name, "bf16", batch) for batch in (1, 8, 32, 16, 4, 2) for name in names]
    rows += [(name, "fp32", batch) for batch in (8, 1, 32) for name in names]
    return list(dict.fromkeys(rows))


def _row(ways: Any, name: str, precision: str, batch: int) -> Row:
    stock, exact = (ways.milliseconds(way) for way in (ways.stock, ways.run_exact))
    if ways.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    cuda = ways.milliseconds(ways.run_cuda)
    peak = torch.cuda.max_memory_allocated() if ways.device.type == "cuda" else 0
    same, shares = ways.sameness(), ways.shares()
    is_known = shares is not None and ways.device.type == "cuda"
    busy = min(1e3 * shares.whole / batch / cuda, 1.0) if is_known else None
    after = shares.after if is_known else None
    if (whole := ways.cuda._whole) is not None and ways.device.type == "cuda" and whole.graphs.failure:
        _tell(f"no CUDA graph: {whole.graphs.failure}")
    is_graph = shares is not None and shares.is_graph
    return Row(
        name, precision, batch, stock, exact, cuda, busy, after, is_graph, peak, same.matched, same.text
    )


def _check_waiting(measured: Measured, what: str, device: torch.device) -> None:
    if device.type == "cuda":
        text = "between a batch's pixels and its answers nothing waits for the GPU"
        measured.claims.append(Claim(f"{text} ({what})" if what else text, not what, "equality"))


def _claim_costs(measured: Measured, device: torch.device) -> None:
    claimed = [row for row in measured.rows if (row.network, row.precision, row.batch) == _CLAIMED]
    if device.type != "cuda" or not claimed:
        return
    row = claimed[0]
    about = f"{row.network}, 800 x 1333, batch {row.batch}"
    wanted = [
        (f"at most {_MOST_MS:g} ms an image", row.cuda <= _MOST_MS),
        (f"at least {_LEAST_TIMES:g} times as fast as stock eager", row.stock >= _LEAST_TIMES * row.cuda),
        (f"the GPU is busy for at least {_LEAST_BUSY:.0%}", (row.busy or 0) >= _LEAST_BUSY),
        (f"less than {_MOST_AFTER:.0%} of its time after the network", (row.after or 1) < _MOST_AFTER),
        ("it runs as a CUDA graph", row.is_graph),
    ]
    measured.claims += [Claim(f"{about}: {text}", held, "cost") for text, held in wanted]


def _claim_sameness(measured: Measured) -> None:
    """In full precision all has to be found again; random weights make much of a half's last bits."""
    full = [row for row in measured.rows if row.precision == "fp32"]
    if full:
        held = all(row.matched >= 0.97 for row in full)
        measured.claims.append(
            Claim("in fp32, cuda finds at least 97% of what exact finds, of random weights", held, "equality")
        )


def _add_ap(measured: Measured, device: torch.device, quick: bool) -> None:
    if missing := lacking():
        measured.notes.append(f"AP: left out, as {', '.join(missing)} are missing.")
        return
    from benchmarks.engines_ap import ap_of
    from benchmarks.gpu_measuring import cuda_engine
    from maskrcnn_core.inference.engines.half import half_dtype
    from maskrcnn_core.synthetic.samples import pixels_for

    dtype = half_dtype() if device.type == "cuda" else torch.bfloat16

    def make(model: LoadedModel) -> Engine:
        return cuda_engine(model, pixels_for(model.domains, 1)[0], device, dtype)

    for found in ap_of(make, str(device), quick):
        measured.notes.append(found.text)
        if device.type != "cuda":
            continue
        held = found.exact - found.other <= _MOST_AP_LOSS
        text = f"{found.model}: mask AP of cuda within {_MOST_AP_LOSS:g} of exact"
        # A few images' AP moves by more than the law when a single detection changes places.
        measured.claims.append(Claim(text, held, "cost"))


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def _forget(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _tell(text: str) -> None:
    print(f"gpu: {text} ...", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and writes; 1 if anything that must be equal was not."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", help="by default the GPU")
    parser.add_argument("--minutes", type=float, default=8, help="no row is begun after these (8)")
    parser.add_argument("--quick", action="store_true", help="tiny inputs: shows that it runs, not how fast")
    parser.add_argument("--output", type=Path, help="folder for gpu.md and gpu.json")
    options = parser.parse_args(arguments)
    if options.device is None and not torch.cuda.is_available():
        print("not measured: this machine has no NVIDIA GPU")
        return 0
    measured = measure(torch.device(options.device or "cuda"), quick=options.quick, minutes=options.minutes)
    about = f"{measured.device}; torch {torch.__version__}. Milliseconds of an image, 800 x 1333."
    text = f"# On a GPU\n\n{about}\n\n{measured.report().markdown()}\n"
    print(text)
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "gpu.md").write_text(text, encoding="utf-8")
        (options.output / "gpu.json").write_text(json.dumps(asdict(measured), indent=1), encoding="utf-8")
    return 0 if all(claim.held for claim in measured.claims if claim.kind == "equality") else 1


if __name__ == "__main__":
    sys.exit(main())
