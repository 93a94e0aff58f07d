"""Weights from files into torchvision's Mask R-CNN (ResNet-50-FPN, versions 1 and 2), with a report.

A file is never trusted. Its kind is told by its content; a ``.pth`` is looked through before torch
opens it with ``weights_only=True`` (:mod:`maskrcnn_core.torch_files`), a ``.safetensors`` is plain data.
Every tensor must have a name, shape and float type that a fresh network wants, none may be left over on
either side, all values must be finite. Only then is a network returned; nothing else is changed, so a
refused file leaves whatever was loaded before as it was.

**The epsilon of version 1's batch norm.** torchvision freezes version 1's batch norm
(``FrozenBatchNorm2d``, default eps 1e-5) and sets eps to 0 when it loads its own COCO weights, as they
were trained when that was the default (pytorch/vision pull requests 2933 and 2940). A state dict
does not keep the eps. What is known from the tensors decides, else the commonest way of training:

- ``num_batches_tracked`` is there: trained from nothing with ``BatchNorm2d``, eps 1e-5;
- a ``running_var`` is exactly 0: eps 0 would divide by 0, so it was 1e-5;
- else: eps 0, as after fine-tuning from ``weights="COCO_V1"`` or ``"DEFAULT"`` (torchvision's tutorial). A
  network trained from ``weights_backbone`` alone had 1e-5: pass ``norm_eps=1e-5``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn_v2
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.ops.misc import FrozenBatchNorm2d

from maskrcnn_core.categories import LabelMap
from maskrcnn_core.downloads import file_sha256
from maskrcnn_core.errors import InputError, WeightsError
from maskrcnn_core.network_facts import Version
from maskrcnn_core.roi_scales import set_roi_scales
from maskrcnn_core.torch_files import check_torch_zip

__all__ = [
    "MAX_CHECKPOINT_BYTES",
    "CheckpointFacts",
    "Version",
    "build_resnet50_fpn",
    "load_custom_checkpoint",
    "load_published_checkpoint",
    "load_state_into",
    "read_names",
]

MAX_CHECKPOINT_BYTES = 1 << 30
"""1 GiB; the weights take 0.2, with an optimiser's state beside them up to 0.6."""

_MAX_NAMES_BYTES = 1 << 20
_MAX_CLASSES = 10_000
_DEFAULT_EPS = 1e-5
_CLASSES_FROM = "roi_heads.box_predictor.cls_score.weight"
_MASK_HIDDEN_FROM = "roi_heads.mask_predictor.conv5_mask.weight"
_TELLS_VERSION: tuple[tuple[str, Version], ...] = (
    ("roi_heads.box_head.fc6.weight", "v1"),
    ("roi_heads.box_head.0.0.weight", "v2"),
)
_NESTED_UNDER = ("model", "state_dict", "model_state_dict")
_PREFIXES = ("module.", "model.")
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_COUNTER = ".num_batches_tracked"

# torchvision before 0.13 named the same layers so; its published version 1 weights still do.
_OLD_NAMES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(backbone\.fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)"), r"\1.0.\2"),
    (re.compile(r"rpn\.head\.conv\.(weight|bias)"), r"rpn.head.conv.0.0.\1"),
    (re.compile(r"roi_heads\.mask_head\.mask_fcn1\.(weight|bias)"), r"roi_heads.mask_head.0.0.\1"),
    (re.compile(r"roi_heads\.mask_head\.mask_fcn2\.(weight|bias)"), r"roi_heads.mask_head.1.0.\1"),
    (re.compile(r"roi_heads\.mask_head\.mask_fcn3\.(weight|bias)"), r"roi_heads.mask_head.2.0.\1"),
    (re.compile(r"roi_heads\.mask_head\.mask_fcn4\.(weight|bias)"), r"roi_heads.mask_head.3.0.\1"),
)


@dataclass(frozen=True)
class CheckpointFacts:
    """What was found out about a custom checkpoint while loading it.

    Args:
        file_name: of the weights.
        sha256: of the weights file, 64 hexadecimal digits.
        version: torchvision's ``maskrcnn_resnet50_fpn`` ("v1") or ``..._v2``.
        num_classes: with the background, as torchvision counts.
        norm_eps: epsilon of the batch norm in the backbone, see the module's text.
        notes: sentences for people: what was unwrapped, renamed, converted or decided.
    """

    file_name: str
    sha256: str
    version: Version
    num_classes: int
    norm_eps: float
    notes: tuple[str, ...]


def load_custom_checkpoint(
    file: Path, names: Path | Sequence[str], *, norm_eps: float | None = None
) -> tuple[MaskRCNN, LabelMap, CheckpointFacts]:
    """Loads a person's own torchvision Mask R-CNN.

    Args:
        file: a state dict: ``.pth`` of ``torch.save`` (1.6 or later) or ``.safetensors``, told by content.
            It may lie under "model" or "state_dict", and its names may begin with "module.".
        names: a text file with one category a line in the order of the labels, the background left
            out; or the names themselves.
        norm_eps: epsilon of version 1's frozen batch norm; None decides as the module's text says.

    Returns:
        The network (eval mode, float32, CPU, no gradients), its label map (labels and category ids
        1..N), and what was found out.

    Raises:
        WeightsError: if the weights cannot be read, want to run code, or do not fit; the message names
            the first tensors that are in the way and how many more there are.
        InputError: if the names cannot be read or are not as many as the weights have classes.
    """
    listed = read_names(names)
    sha256, state = _read_state(file)
    notes: list[str] = []
    tensors = _rename_old(_strip_prefix(_unwrap(state, file.name, notes), notes), notes)
    version = _tell_version(tensors, file.name)
    num_classes = _count_classes(tensors, file.name)
    _check_names(listed, num_classes, names.name if isinstance(names, Path) else "the names")
    _check_floats(tensors, file.name, notes)
    eps = _DEFAULT_EPS if version == "v2" else _decide_eps(tensors, norm_eps, notes)
    network = build_resnet50_fpn(
        version, num_classes, norm_eps=eps, mask_hidden=_mask_hidden(tensors, file.name)
    )
    _fill(network, tensors, file.name)
    facts = CheckpointFacts(file.name, sha256, version, num_classes, eps, tuple(notes))
    return network, LabelMap.from_names(listed), facts


def load_state_into(network: MaskRCNN, file: Path) -> str:
    """Puts a ``.safetensors`` or ``.pth`` state dict into a network that has no values yet.

    Args:
        network: on the meta device; afterwards in eval mode, float32, on the CPU, without gradients.
        file: names and shapes must be the network's; half precision is widened.

    Returns:
        The file's SHA-256.

    Raises:
        WeightsError: as :func:`load_custom_checkpoint`; the network is then of no use.
    """
    sha256, state = _read_state(file)
    tensors = _unwrap(state, file.name, [])
    _check_floats(tensors, file.name, [])
    _fill(network, tensors, file.name)
    return sha256


def load_published_checkpoint(file: Path, version: Version) -> MaskRCNN:
    """Loads torchvision's own COCO weights (91 classes), version 1 with eps 0.

    Args:
        file: the published file; the caller has checked its SHA-256. Version 1's dates from before
            torch's zip format, which is why it is not looked through like a stranger's.
        version: which of the two architectures.

    Raises:
        WeightsError: if the file cannot be read or its tensors do not fit.
    """
    tensors = _rename_old(_unwrap(_torch_load(file, mmap=False), file.name, []), [])
    eps = 0.0 if version == "v1" else _DEFAULT_EPS
    network = build_resnet50_fpn(version, 91, norm_eps=eps)
    _fill(network, tensors, file.name)
    return network


def build_resnet50_fpn(
    version: Version, num_classes: int, *, norm_eps: float = _DEFAULT_EPS, mask_hidden: int = 256
) -> MaskRCNN:
    """The architecture of torchvision's ``maskrcnn_resnet50_fpn`` or ``..._v2`` without any values.

    Its tensors are on the "meta" device, which costs no memory and no time for random values; loading
    a state dict with ``assign=True`` puts real ones in.

    Args:
        version: version 1 has frozen batch norm in the backbone only; version 2 has batch norm also in
            FPN and heads, a deeper RPN head and four convolutions in the box head.
        num_classes: with the background.
        norm_eps: of version 1's frozen batch norm.
        mask_hidden: channels between the two layers of the mask predictor.
    """
    with torch.device("meta"):
        if version == "v2":
            network = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=num_classes)
        else:
            backbone = resnet_fpn_backbone(
                backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=5
            )
            network = MaskRCNN(backbone, num_classes=num_classes)
        if mask_hidden != 256:
            network.roi_heads.mask_predictor = MaskRCNNPredictor(256, mask_hidden, num_classes)
    for module in network.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = norm_eps
    set_roi_scales(network)
    return cast(MaskRCNN, network)


def read_names(names: Path | Sequence[str]) -> list[str]:
    """Category names, one a line, spaces around them taken off; empty lines at the end do not count.

    Args:
        names: a UTF-8 text file, or the lines themselves.

    Raises:
        InputError: naming the line that is empty, or that repeats an earlier one (case ignored).
    """
    where = names.name if isinstance(names, Path) else "the names"
    lines = _text_lines(names) if isinstance(names, Path) else names
    listed = [line.strip() for line in lines]
    while listed and not listed[-1]:
        listed.pop()
    if not listed:
        raise InputError(f"{where}: wanted one category name a line, found none")
    first_line: dict[str, int] = {}
    for number, name in enumerate(listed, start=1):
        if not name:
            raise InputError(f"{where}, line {number}: it is empty; labels are counted by line, so name each")
        earlier = first_line.setdefault(name.casefold(), number)
        if earlier != number:
            raise InputError(
                f"{where}, line {number}: {name!r} is on line {earlier} already; names must differ"
            )
    return listed


def _text_lines(file: Path) -> list[str]:
    try:
        if file.stat().st_size > _MAX_NAMES_BYTES:
            raise InputError(f"{file.name}: wanted a list of names, found a file of over a million bytes")
        return file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{file.name}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file.name}: wanted UTF-8 text, found other bytes; save it as UTF-8") from error


def _check_names(listed: list[str], num_classes: int, where: str) -> None:
    wanted = num_classes - 1
    if len(listed) == wanted:
        return
    help_ = "list the categories in the order of training"
    if len(listed) == num_classes:
        help_ = f"leave the background out (is it {listed[0]!r}?)"
    raise InputError(
        f"{where}: wanted {wanted} names, as the weights have {num_classes} classes with the background, "
        f"found {len(listed)}; {help_}"
    )


# --- reading the file -------------------------------------------------------------------------------


def _read_state(file: Path) -> tuple[str, object]:
    """The SHA-256 of a checkpoint and what is in it."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            head = stream.read(16)
    except OSError as error:
        raise WeightsError(f"{file.name}: cannot be read ({error.strerror or error})") from error
    if size > MAX_CHECKPOINT_BYTES:
        raise WeightsError(
            f"{file.name}: wanted at most {MAX_CHECKPOINT_BYTES:,} bytes, found {size:,}; "
            "save the state dict only"
        )
    if head.startswith(b"PK\x03\x04"):
        check_torch_zip(file)
        # Mapped, not read: an optimiser's state beside the weights then costs no memory.
        return file_sha256(file), _torch_load(file, mmap=True)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < size:
        return file_sha256(file), _load_safetensors(file)
    if head.startswith(b"\x80"):
        raise WeightsError(
            f"{file.name}: this is a bare pickle, as torch before 1.6 wrote, and it is not run; "
            "load it where you trust it and save it again with torch.save(model.state_dict(), ...) "
            "or as .safetensors"
        )
    raise WeightsError(
        f"{file.name}: wanted a .pth of torch.save or a .safetensors file, found "
        f"{'an empty file' if not head else f'bytes that begin with {head[:8]!r}'}; was the copy cut short?"
    )


def _torch_load(file: Path, *, mmap: bool) -> object:
    try:
        return torch.load(str(file), map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:
        # torch lets through whatever its C++ and pickle code raise on bad bytes; all of it means this.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{file.name}: torch cannot read it ({reason}); copy or save it again") from error


def _load_safetensors(file: Path) -> object:
    try:
        return load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{file.name}: not a whole .safetensors file ({error}); copy or save it again"
        ) from error


def _unwrap(state: object, where: str, notes: list[str]) -> dict[str, Tensor]:
    """The dict of tensors, which training scripts often keep under "model"."""
    for key in _NESTED_UNDER:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
            notes.append(f"The weights were taken from under {key!r}.")
            break
    if not isinstance(state, Mapping) or not state:
        raise WeightsError(f"{where}: wanted a state dict of named tensors, found {type(state).__name__}")
    tensors: dict[str, Tensor] = {}
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(
                f"{where}: wanted tensors only, found {type(value).__name__} at {name!r}; "
                "save it with torch.save(model.state_dict(), ...)"
            )
        tensors[name] = value
    return tensors


def _strip_prefix(tensors: dict[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            notes.append(f"The prefix {prefix!r} was taken off all names.")
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def _rename_old(tensors: dict[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        for pattern, replacement in _OLD_NAMES:
            if match := pattern.fullmatch(name):
                name = match.expand(replacement)
                break
        renamed[name] = tensor
    if renamed.keys() != tensors.keys():
        notes.append("Layer names of torchvision before 0.13 were brought up to date.")
    return renamed


# --- what the tensors say ---------------------------------------------------------------------------


def _tell_version(tensors: dict[str, Tensor], where: str) -> Version:
    for name, version in _TELLS_VERSION:
        if name in tensors:
            return version
    raise WeightsError(
        f"{where}: wanted torchvision's Mask R-CNN with ResNet-50-FPN, version 1 (with "
        f"{_TELLS_VERSION[0][0]}) or 2 (with {_TELLS_VERSION[1][0]}), "
        f"found {len(tensors)} tensors, {_first_few(list(tensors))}"
    )


def _count_classes(tensors: dict[str, Tensor], where: str) -> int:
    classifier = tensors.get(_CLASSES_FROM)
    if classifier is None or classifier.ndim != 2 or not 2 <= len(classifier) <= _MAX_CLASSES:
        found = "no such tensor" if classifier is None else f"shape {list(classifier.shape)}"
        raise WeightsError(
            f"{where}: {_CLASSES_FROM}: wanted [classes, 1024] with 2 classes or more, found {found}"
        )
    return len(classifier)


def _mask_hidden(tensors: dict[str, Tensor], where: str) -> int:
    layer = tensors.get(_MASK_HIDDEN_FROM)
    if layer is None:
        return 256  # its absence is reported with all other names
    if layer.ndim != 4 or not 1 <= layer.shape[1] <= 4096:
        raise WeightsError(
            f"{where}: {_MASK_HIDDEN_FROM}: wanted [256, hidden, 2, 2], found {list(layer.shape)}"
        )
    return layer.shape[1]


def _check_floats(tensors: dict[str, Tensor], where: str, notes: list[str]) -> None:
    """Notes the float type of the weights; batch norm's counters are whole numbers and do not count."""
    weights = {name: tensor.dtype for name, tensor in tensors.items() if not name.endswith(_COUNTER)}
    others = [name for name, dtype in weights.items() if dtype not in _FLOATS]
    if others:
        raise WeightsError(
            f"{where}: wanted tensors of float16, bfloat16, float32 or float64, "
            f"found {_dtype_names(weights[name] for name in others)} in {_first_few(others)}"
        )
    kinds = _dtype_names(weights.values())
    if kinds != "float32":
        notes.append(f"The weights are stored as {kinds} and were converted to float32.")


def _dtype_names(dtypes: Iterable[torch.dtype]) -> str:
    return ", ".join(sorted({str(dtype).removeprefix("torch.") for dtype in dtypes}))


def _decide_eps(tensors: dict[str, Tensor], norm_eps: float | None, notes: list[str]) -> float:
    """Version 1's epsilon, see the module's text."""
    if norm_eps is not None:
        if not 0.0 <= norm_eps < 1.0:
            raise InputError(f"batch norm's epsilon: wanted a number from 0 to 1, found {norm_eps}")
        notes.append(f"Batch norm's epsilon is {norm_eps:g}, as asked.")
        return norm_eps
    if any(name.endswith(_COUNTER) for name in tensors):
        notes.append("Batch norm's epsilon is 1e-05: the network was trained with batch norm unfrozen.")
        return _DEFAULT_EPS
    if any(bool((t == 0).any()) for n, t in tensors.items() if n.endswith(".running_var")):
        notes.append("Batch norm's epsilon is 1e-05: a variance is 0, which rules out 0.")
        return _DEFAULT_EPS
    notes.append(
        "Batch norm's epsilon is 0, as after fine-tuning from torchvision's COCO weights; "
        "the file does not say, and training from a backbone alone has 1e-05."
    )
    return 0.0


# --- into the network -------------------------------------------------------------------------------


def _fill(network: MaskRCNN, tensors: dict[str, Tensor], where: str) -> None:
    """Puts tensors into a fresh network on the meta device, or raises and leaves it for the bin."""
    wanted = {name: t for name, t in network.state_dict().items() if not name.endswith(_COUNTER)}
    # Counters of training steps have no part in inference; whether they are there does not matter.
    given = {name: t for name, t in tensors.items() if not name.endswith(_COUNTER)}
    problems = [
        *_problem("missing", [n for n in wanted if n not in given]),
        *_problem("not wanted", [n for n in given if n not in wanted]),
        *_problem(
            "of another shape",
            [
                f"{n} (wanted {list(wanted[n].shape)}, found {list(t.shape)})"
                for n, t in given.items()
                if n in wanted and t.shape != wanted[n].shape
            ],
        ),
    ]
    if problems:
        raise WeightsError(f"{where}: the tensors do not fit torchvision's Mask R-CNN: {'; '.join(problems)}")
    # Only now, with every shape known to be the network's, is memory spent. A copy in any case: what
    # is mapped from the file must not change under us when the file does.
    values = {n: t.detach().to(torch.float32, copy=True).contiguous() for n, t in given.items()}
    broken = [
        n
        for n, t in values.items()
        if not bool(torch.isfinite(t).all()) or (n.endswith(".running_var") and bool((t < 0).any()))
    ]
    if broken:
        raise WeightsError(
            f"{where}: NaN, infinite values or negative variances in {_first_few(broken)}; "
            "training may have diverged, use an earlier checkpoint"
        )
    counters = {n: torch.tensor(0) for n in network.state_dict() if n.endswith(_COUNTER)}
    network.load_state_dict(values | counters, assign=True)
    network.requires_grad_(False)
    network.eval()


def _problem(kind: str, names: list[str]) -> list[str]:
    return [f"{len(names)} {kind}: {_first_few(names)}"] if names else []


def _first_few(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
