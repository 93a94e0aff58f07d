"""What was measured last, kept beside the benchmarks: a record and a plot each, and one page of them all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
import torch

from benchmarks.plots import bars_of, write_plot
from benchmarks.report import Report
from maskrcnn_core.inference.engines.kept import processor

__all__ = ["RATIOS", "about_machine", "keep", "kept_page"]

_PACKAGES = ("torch", "torchvision", "openvino", "streamlit")
RATIOS = "Compare the ratios: seconds vary with the machine and its load."


@dataclass(frozen=True)
class _Record:
    """What was measured, when, on what, and how many seconds all of it took."""

    measured: str
    machine: str
    took: int
    report: Report


def about_machine() -> str:
    """Return what ran the benchmarks: processors, GPU, and the releases of what does the work."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    cores = f"{os.cpu_count()} cores of {processor()}"
    return ", ".join((cores, *_instructions(), gpu, *map(_release, _PACKAGES)))


def _instructions() -> list[str]:
    """Return the best of a processor's instructions for networks: its name often says nothing of them."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text("utf-8").split())
    except OSError:
        return []
    kinds = (("amx_bf16", "amx_int8"), ("avx512_bf16", "avx512_vnni", "avx512f", "avx2"))
    return [found for kind in kinds if (found := next((one for one in kind if one in flags), ""))]


def _release(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def keep(name: str, report: Report, folder: Path, *, took: float) -> None:
    """Write a benchmark's record and plot.

    Args:
        name: its own.
        report: what it measured.
        folder: it is made if it is not there.
        took: seconds of the whole benchmark.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = _Record(datetime.now(UTC).date().isoformat(), about_machine(), round(took), report)
    written = msgspec.json.format(msgspec.json.encode(record), indent=1)
    _record(folder, name).write_bytes(written + b"\n")
    bars, plot = bars_of(report), _plot(folder, name)
    if bars is not None:
        write_plot(bars, name.replace("_", " "), plot)
    else:
        plot.unlink(missing_ok=True)


def kept_page(sections: list[tuple[str, str, str]], folder: Path) -> str:
    """Return a page of all that is kept.

    Args:
        sections: name, title and what is to be seen of each benchmark, in the order of the page.
        folder: where :func:`keep` wrote; plots are linked below its name.
    """
    parts = [f"# Benchmarks\n\n{RATIOS}"]
    for name, title, shows in sections:
        parts.append(f"## {title}\n\n{shows}")
        try:
            record = msgspec.json.decode(_record(folder, name).read_bytes(), type=_Record)
        except FileNotFoundError:
            parts.append(f"Not measured yet: `python -m benchmarks {name} --keep`.")
            continue
        parts.append(f"`python -m benchmarks {name}`, {record.measured}, {record.took} s; {record.machine}.")
        parts.append(record.report.markdown())
        if _plot(folder, name).is_file():
            parts.append(f"![{title}]({folder.name}/{name}.svg)")
    return "\n\n".join(parts) + "\n"


def _record(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _plot(folder: Path, name: str) -> Path:
    return folder / f"{name}.svg"
