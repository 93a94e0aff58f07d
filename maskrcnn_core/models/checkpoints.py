"""Weights from files into networks, with a report: torchvision's Mask R-CNN, and those of other projects.

A file is never trusted. Its kind is told by its content, and nothing in it is run
(:mod:`maskrcnn_core.models.foreign.raw`).
The names of its tensors tell whose network it is (:mod:`maskrcnn_core.models.foreign.table`). Every tensor
must have a name, shape and float type that a fresh network wants, none may be left over on
either side, all values must be finite. Only then is a network returned; nothing else is changed, so a
refused file leaves whatever was loaded before as it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.categories import COCO_CATEGORIES, LabelMap
from maskrcnn_core.errors import InputError, NamesMissing, WeightsError
from maskrcnn_core.models.foreign.facts import FamilyFacts
from maskrcnn_core.models.foreign.raw import MAX_CHECKPOINT_BYTES, read_raw
from maskrcnn_core.models.foreign.renaming import Renames, first_few, rename
from maskrcnn_core.models.foreign.sidecar import Sidecar
from maskrcnn_core.models.foreign.table import CheckpointFamily, config_beside, family_of_names
from maskrcnn_core.models.foreign.torchvision import rename_old
from maskrcnn_core.networks.configs import Version
from maskrcnn_core.networks.families import Architecture, architecture_as_json, family_of
from maskrcnn_core.networks.resnet50_fpn import DEFAULT_EPS, build_resnet50_fpn

__all__ = [
    "MAX_CHECKPOINT_BYTES",
    "CheckpointFacts",
    "Version",
    "load_custom_checkpoint",
    "load_published_checkpoint",
    "load_state_into",
    "load_zoo_checkpoint",
    "read_names",
    "read_published_state",
]

_NOTHING = Sidecar()
_MAX_NAMES_BYTES = 1 << 20
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True)
class CheckpointFacts:
    """What was found out about a custom checkpoint while loading it.

    Args:
        file_name: of the weights.
        sha256: of the weights file, 64 hexadecimal digits.
        digest: the same, and where something beside the weights decided on the network, what it is built
            from: the same file with another config gives other results, and caches must tell the two apart.
        family: key of the row of :data:`CHECKPOINT_FAMILIES`.
        architecture: what the network was built from.
        num_classes: with the background, as torchvision counts.
        score_threshold, nms_threshold, max_detections: the family's, unless a person says.
        notes: sentences for people: what was unwrapped, renamed, converted or decided.
    """

    file_name: str
    sha256: str
    digest: str
    family: str
    architecture: Architecture
    num_classes: int
    score_threshold: float
    nms_threshold: float
    max_detections: int
    notes: tuple[str, ...]


def load_custom_checkpoint(
    file: Path,
    names: Path | Sequence[str] | None = None,
    sidecar: Sidecar = _NOTHING,
) -> tuple[MaskRCNN, LabelMap, CheckpointFacts]:
    """Load a person's own Mask R-CNN, of whatever family.

    Args:
        file: of torch.save (1.6 or later), ``.safetensors``, a pickle of numpy arrays, or Keras's HDF5, told
            by content. The weights may lie under "model" or "state_dict", and their names may begin with
            "module.".
        names: a text file with one category a line in the order of the labels, the background left
            out; or the names themselves; or None where the file names them.
        sidecar: what else the weights do not say.

    Returns:
        The network (eval mode, float32, CPU, no gradients), its label map (labels 1..N; category ids
        likewise, or COCO's where the names are COCO's), and what was found out.

    Raises:
        WeightsError: if the weights cannot be read, want to run code, or do not fit; the message names
            the first tensors that are in the way and how many more there are.
        InputError: if the names cannot be read or are not as many as the weights have classes, or something
            is missing that only a person can say.
    """
    listed = None if names is None else read_names(names)
    raw = read_raw(file)
    notes = list(raw.notes)
    family = family_of_names(raw.tensors, file.name)
    family.check(sidecar, file.name)
    if sidecar.config is None and (config := config_beside(file, family)) is not None:
        sidecar = replace(sidecar, config=config)
        notes.append(f"The training's config was found next to the weights: {config.name}.")
    facts = family.read(raw, sidecar).within_limits()
    if sidecar.boxes_only and not facts.boxes_only:
        raise InputError(
            f"{file.name}: expected a network without a mask head for its boxes only, got one with"
        )
    label_map = _label_map(listed, facts, names.name if isinstance(names, Path) else "the names", notes)
    network = _network_of(facts, family, file.name, notes)
    found = CheckpointFacts(
        file.name,
        raw.sha256,
        raw.sha256 if sidecar == _NOTHING else f"{raw.sha256}-{_mark_of(facts.architecture)}",
        family.key,
        facts.architecture,
        facts.num_classes,
        facts.score_threshold,
        facts.nms_threshold,
        facts.max_detections,
        (*notes, *facts.notes),
    )
    return network, label_map, found


def load_zoo_checkpoint(file: Path, sidecar: Sidecar = _NOTHING) -> MaskRCNN:
    """Load weights that another project published, by what is known of them; no config beside them counts.

    Args:
        file: the published file; its row knows its categories.
        sidecar: what the weights do not say.

    Raises:
        WeightsError: as :func:`load_custom_checkpoint`.
    """
    raw = read_raw(file)
    family = family_of_names(raw.tensors, file.name)
    return _network_of(family.read(raw, sidecar), family, file.name, [])


def _network_of(facts: FamilyFacts, family: CheckpointFamily, where: str, notes: list[str]) -> MaskRCNN:
    _check_floats(facts.tensors, where, notes)
    network = family_of(facts.architecture).build(facts.architecture, facts.num_classes)
    _fill(network, facts.tensors, where, f"{family.title}'s Mask R-CNN", facts.own_names)
    return network


def _mark_of(architecture: Architecture) -> str:
    described = json.dumps(architecture_as_json(architecture), sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()[:12]


def _label_map(listed: list[str] | None, facts: FamilyFacts, where: str, notes: list[str]) -> LabelMap:
    """Return the map of given names, else of the file's own, else COCO's where there are as many classes."""
    count = facts.num_classes - 1
    if listed is not None:
        _check_names(listed, facts.num_classes, where)
        if facts.names is not None and tuple(listed) != facts.names:
            notes.append("The names given were used; the file has others.")
    elif facts.names is not None:
        listed = list(facts.names)
    elif count == len(COCO_CATEGORIES):
        notes.append(f"The file has no names and {count} classes, so COCO's {count} categories are assumed.")
        return LabelMap.contiguous(COCO_CATEGORIES)
    else:
        raise NamesMissing(
            f"expected the names of {counted(count, 'category', 'categories')}, because the file does not "
            "have them; got none. Give one category per line, in training order, without the background"
        )
    if [name.casefold() for name in listed] == [category.name.casefold() for category in COCO_CATEGORIES]:
        return LabelMap.contiguous(COCO_CATEGORIES)
    return LabelMap.from_names(listed)


def load_state_into(network: MaskRCNN, file: Path) -> str:
    """Put a ``.safetensors`` or ``.pth`` state dict into a network that has no values yet.

    Args:
        network: on the meta device; afterwards in eval mode, float32, on the CPU, without gradients.
        file: names and shapes must be the network's; half precision is widened.

    Returns:
        The file's SHA-256.

    Raises:
        WeightsError: as :func:`load_custom_checkpoint`; the network is then of no use.
    """
    raw = read_raw(file)
    _check_floats(raw.tensors, file.name, [])
    _fill(network, raw.tensors, file.name)
    return raw.sha256


def load_published_checkpoint(file: Path, version: Version) -> MaskRCNN:
    """Load torchvision's own COCO weights (91 classes), version 1 with eps 0.

    Args:
        file: the published file; the caller has checked its SHA-256. Version 1's dates from before
            torch's zip format, which is why it is not looked through like a stranger's.
        version: which of the two architectures.

    Raises:
        WeightsError: if the file cannot be read or its tensors do not fit.
    """
    tensors = rename_old(read_published_state(file), [])
    eps = 0.0 if version == "v1" else DEFAULT_EPS
    network = build_resnet50_fpn(version, 91, norm_eps=eps)
    _fill(network, tensors, file.name)
    return network


def read_names(names: Path | Sequence[str]) -> list[str]:
    """Return category names, one a line, spaces around them taken off; empty lines at the end do not count.

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
        raise InputError(f"{where}: expected one category name per line, got none")
    first_line: dict[str, int] = {}
    for number, name in enumerate(listed, start=1):
        if not name:
            raise InputError(
                f"{where}, line {number}: this line is empty; labels are counted by line, so name each"
            )
        earlier = first_line.setdefault(name.casefold(), number)
        if earlier != number:
            raise InputError(
                f"{where}, line {number}: {name!r} is already on line {earlier}; names must differ"
            )
    return listed


def _text_lines(file: Path) -> list[str]:
    try:
        if file.stat().st_size > _MAX_NAMES_BYTES:
            raise InputError(f"{file.name}: expected a list of names, got a file of over a million bytes")
        return file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{file.name}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file.name}: expected UTF-8 text, got other bytes; save it as UTF-8") from error


def _check_names(listed: list[str], num_classes: int, where: str) -> None:
    wanted = num_classes - 1
    if len(listed) == wanted:
        return
    help_ = "list the categories in training order"
    if len(listed) == num_classes:
        help_ = f"leave the background out (is it {listed[0]!r}?)"
    raise InputError(
        f"{where}: expected {wanted} names, because the weights have {num_classes} classes including the "
        f"background, got {len(listed)}; {help_}"
    )


# --- reading the file -------------------------------------------------------------------------------


def read_published_state(file: Path) -> Mapping[str, Tensor]:
    """Return the state dict in a published file of torchvision's, whose SHA-256 the caller has checked.

    Raises:
        WeightsError: if torch cannot read it.
    """
    try:
        state: Mapping[str, Tensor] = torch.load(str(file), map_location="cpu", weights_only=True)
        return state
    except Exception as error:
        # torch lets through whatever its C++ and pickle code raise on bad bytes; all of it means this.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{file.name}: torch cannot read it ({reason}); copy or save it again") from error


# --- what the tensors say ---------------------------------------------------------------------------


def _check_floats(tensors: Mapping[str, Tensor], where: str, notes: list[str]) -> None:
    """Note the float type of the weights; batch norm's counters are whole numbers and do not count."""
    weights = {name: tensor.dtype for name, tensor in tensors.items() if not name.endswith(_COUNTER)}
    others = [name for name, dtype in weights.items() if dtype not in _FLOATS]
    if others:
        raise WeightsError(
            f"{where}: expected tensors of float16, bfloat16, float32 or float64, "
            f"got {_dtype_names(weights[name] for name in others)} in {first_few(others)}"
        )
    kinds = _dtype_names(weights.values())
    if kinds != "float32":
        notes.append(f"The weights are stored as {kinds} and were converted to float32.")


def _dtype_names(dtypes: Iterable[torch.dtype]) -> str:
    return ", ".join(sorted({str(dtype).removeprefix("torch.") for dtype in dtypes}))


# --- into the network -------------------------------------------------------------------------------


def _fill(
    network: MaskRCNN,
    tensors: Mapping[str, Tensor],
    where: str,
    what: str = "torchvision's Mask R-CNN",
    own_names: Renames = (),
) -> None:
    """Put tensors into a fresh network on the meta device, or raise and leave it for the bin."""
    wanted = {name: t for name, t in network.state_dict().items() if not name.endswith(_COUNTER)}
    # Counters of training steps have no part in inference; whether they are there does not matter.
    given = {name: t for name, t in tensors.items() if not name.endswith(_COUNTER)}
    own, _ = rename({*wanted, *given}, own_names)
    problems = [
        *_problem("missing", [own.get(n, n) for n in wanted if n not in given]),
        *_problem("not wanted", [own.get(n, n) for n in given if n not in wanted]),
        *_problem(
            "of another shape",
            [
                f"{own.get(n, n)} (expected {list(wanted[n].shape)}, got {list(t.shape)})"
                for n, t in given.items()
                if n in wanted and t.shape != wanted[n].shape
            ],
        ),
    ]
    if problems:
        raise WeightsError(f"{where}: the tensors do not fit {what}: {'; '.join(problems)}")
    # Only now, with every shape known to be the network's, is memory spent. A copy in any case: what
    # is mapped from the file must not change under us when the file does.
    values = {n: t.detach().to(torch.float32, copy=True).contiguous() for n, t in given.items()}
    broken = [
        own.get(n, n)
        for n, t in values.items()
        if not bool(torch.isfinite(t).all()) or (n.endswith(".running_var") and bool((t < 0).any()))
    ]
    if broken:
        raise WeightsError(
            f"{where}: NaN, infinite values or negative variances in {first_few(broken)}; "
            "training may have diverged, use an earlier checkpoint"
        )
    counters = {n: torch.tensor(0) for n in network.state_dict() if n.endswith(_COUNTER)}
    network.load_state_dict(values | counters, assign=True)
    network.requires_grad_(False)
    network.eval()


def _problem(kind: str, names: list[str]) -> list[str]:
    return [f"{len(names)} {kind}: {first_few(names)}"] if names else []
