"""Opening checkpoints of other projects: time and memory, beside PyTorch's own way with the same tensors."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN

from benchmarks.memory import peak_extra_bytes
from benchmarks.report import Claim, Report, megabytes, seconds, times
from benchmarks.timing import median_seconds
from maskrcnn_core.dataset.categories import COCO_CATEGORIES
from maskrcnn_core.models.foreign.sidecar import Sidecar
from maskrcnn_core.models.loading import load_custom_model
from maskrcnn_core.networks.configs import ResNetFpnConfig
from maskrcnn_core.networks.resnet_fpn import build_resnet_fpn
from tests.builders import foreign, matterport

__all__ = ["prepare_opening", "prepare_stock", "run_opening"]

_CLASSES = len(COCO_CATEGORIES) + 1
_NARROW = {"pyramid": 16, "box_hidden": 24, "mask_hidden": 8}
_ROUNDS = 3
_LIMIT = 4.0  # times the file's size, in memory
_TITLES = {
    "detectron2.pkl": "Detectron2, as its model zoo has them (.pkl)",
    "mmdetection.pth": "mmdetection, as its training writes them (.pth)",
    "matterport.h5": "Matterport's Mask_RCNN (.h5)",
    "torchvision.pth": "torchvision, a state dict (.pth)",
}


def run_opening(quick: bool) -> Report:
    """Writes a ResNet-101 of each family with seeded values, and opens it."""
    with tempfile.TemporaryDirectory() as folder:
        files = _write(Path(folder), quick)
        stock = Path(folder) / "stock.pt"
        torch.save(_network("torchvision", quick).state_dict(), stock)
        rows, claims = [], []
        for name, (file, tensors) in files.items():
            size = file.stat().st_size
            ways: dict[str, Callable[[], object]] = {
                "ours": prepare_opening(str(file)),
                "stock": prepare_stock(str(stock), quick),
            }
            taken = median_seconds(ways, 1 if quick else _ROUNDS)
            peak = peak_extra_bytes(prepare_opening, str(file))
            beside = peak_extra_bytes(prepare_stock, str(stock), quick)
            rows.append(
                (
                    _TITLES[name],
                    megabytes(size),
                    seconds(taken["ours"]),
                    times(taken["ours"], taken["stock"]),
                    megabytes(peak),
                    megabytes(beside),
                )
            )
            if tensors is not None:
                opened = load_custom_model(file, sidecar=_sidecar(file)).network
                text = f"{_TITLES[name]}: every value of the file is in the network"
                claims.append(Claim(text, _equal(opened.state_dict(), tensors), "equality"))
            if not quick:
                held = peak < _LIMIT * size
                text = f"{_TITLES[name]}: opening takes less than {_LIMIT:g} times the file's size of memory"
                claims.append(Claim(text, held, "cost"))
    notes = (
        "ResNet-101 with a feature pyramid and 81 classes, random values. Opening checks each name, shape "
        "and value, computes the SHA-256 and reads Keras's file in a process of its own, whose memory is "
        "not in these figures. PyTorch's own way: torch.load(weights_only=True) of a state dict of the "
        "same network that has its names already, and load_state_dict.",
    )
    columns = ("a checkpoint of", "size", "opened in", "to PyTorch's own", "memory", "PyTorch's own")
    return Report(columns, tuple(rows), tuple(claims), notes)


def prepare_opening(file: str) -> Callable[[], object]:
    """Return the call that opens a checkpoint; libraries are loaded by then."""
    path = Path(file)
    return lambda: load_custom_model(path, sidecar=_sidecar(path))


def prepare_stock(file: str, quick: bool) -> Callable[[], object]:
    """Return the call that fills a network as PyTorch's users do."""

    def call() -> MaskRCNN:
        network = build_resnet_fpn(_config("torchvision", quick), _CLASSES).to_empty(device="cpu")
        network.load_state_dict(torch.load(file, weights_only=True))
        return network

    return call


def _sidecar(file: Path) -> Sidecar:
    return Sidecar(style="pytorch" if file.name.startswith("mmdetection") else None)


def _config(laws: str, quick: bool) -> ResNetFpnConfig:
    blocks = (1, 1, 2, 1) if quick else (3, 4, 23, 3)
    like = {"detectron2": foreign.DETECTRON2, "mmdetection": foreign.MMDETECTION}.get(
        laws, foreign.TORCHVISION
    )
    widths = _NARROW if quick else {}
    return ResNetFpnConfig(
        laws=like.laws, strides_1x1=like.strides_1x1, std=like.std, blocks=blocks, **widths
    )


def _network(laws: str, quick: bool) -> MaskRCNN:
    return foreign.make_narrow(_config(laws, quick), _CLASSES)


def _write(folder: Path, quick: bool) -> dict[str, tuple[Path, Mapping[str, Tensor] | None]]:
    """Return each file with the values its network has to have; None where Keras's layers are merged.

    That those are right is held by tests, against the original's answers.
    """
    made: dict[str, tuple[Path, Mapping[str, Tensor] | None]] = {}
    network = _network("detectron2", quick)
    arrays = {name: tensor.numpy() for name, tensor in foreign.detectron2_state(network).items()}
    file = folder / "detectron2.pkl"
    file.write_bytes(pickle.dumps({"model": arrays, "__author__": "nobody"}, protocol=3))
    made[file.name] = file, network.state_dict()
    network = _network("mmdetection", quick)
    file = folder / "mmdetection.pth"
    names = tuple(category.name for category in COCO_CATEGORIES)
    torch.save({"state_dict": foreign.mmdetection_state(network), "meta": {"CLASSES": names}}, file)
    made[file.name] = file, network.state_dict()
    widths = matterport.Widths() if quick else matterport.RESNET101
    made["matterport.h5"] = matterport.write_keras_file(folder / "matterport.h5", _CLASSES, 0, widths), None
    if not quick:  # torchvision has no narrow ones
        network = _network("torchvision", quick)
        file = folder / "torchvision.pth"
        torch.save(network.state_dict(), file)
        made[file.name] = file, network.state_dict()
    return made


def _equal(opened: Mapping[str, Tensor], written: Mapping[str, Tensor]) -> bool:
    return opened.keys() == written.keys() and all(
        torch.equal(opened[name], written[name]) for name in opened
    )
