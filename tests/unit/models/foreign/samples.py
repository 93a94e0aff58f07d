"""Small checkpoints of each kind of file, and mutations of them."""

from __future__ import annotations

import pickle
from collections import OrderedDict

import h5py
import numpy as np
import torch
from safetensors.torch import save_file


def make_arrays(layers=4, seed=0):
    """Weights of a few layers by name, float32."""
    rng = np.random.default_rng(seed)
    shapes = {"weight": (8, 4, 3, 3), "bias": (8,)}
    return {
        f"backbone.layer{i}.{kind}": rng.normal(size=shape).astype(np.float32)
        for i in range(layers)
        for kind, shape in shapes.items()
    }


def tensors_of(arrays):
    return OrderedDict((name, torch.from_numpy(array)) for name, array in arrays.items())


def zoo_bytes(arrays, protocol=3, **beside):
    """A pickle as Detectron2's zoo has them."""
    return pickle.dumps({"model": arrays, "__author__": "Detectron2 Model Zoo", **beside}, protocol=protocol)


def write_keras(file, arrays, under="", **how):
    """A file as Keras 2 writes it; layers and kinds after the names of the arrays."""
    with h5py.File(file, "w") as opened:
        root = opened.create_group(under) if under else opened
        root.attrs["backend"] = np.bytes_("tensorflow")
        root.attrs["keras_version"] = "2.15.0"
        root.attrs["layer_names"] = np.array([b"layer0", b"layer1"])
        for name, array in arrays.items():
            _, layer, kind = name.split(".")
            root.create_dataset(f"{layer}/{layer}/{kind}:0", data=array, **how)
    return file


def write_each_kind(folder):
    """One small checkpoint of each kind; paths by kind."""
    arrays = make_arrays()
    tensors = tensors_of(arrays)
    files = {
        kind: folder / kind
        for kind in ("pickle 2", "pickle 5", "torch", "safetensors", "hdf5", "packed hdf5")
    }
    for protocol in (2, 5):
        files[f"pickle {protocol}"].write_bytes(zoo_bytes(arrays, protocol, iteration=np.float64(3.0)))
    meta = {"CLASSES": ("cat", "dog"), "loss": np.float64(0.5), "seen": np.arange(3)}
    torch.save({"state_dict": tensors, "meta": meta, "optimizer": {"state": [tensors]}}, files["torch"])
    save_file(dict(tensors), files["safetensors"], metadata={"format": "pt"})
    write_keras(files["hdf5"], arrays)
    write_keras(files["packed hdf5"], arrays, compression="gzip", shuffle=True, chunks=True)
    return files


def mutated(data, random, other):
    """The bytes with some flipped, the end cut off, or a stretch replaced by one of this or another file."""
    changed, how = bytearray(data), random.randrange(3)
    if how == 0:
        for _ in range(random.choice((1, 1, 2, 8, 64))):
            # Headers lie at the beginning, a zip's list at the end.
            near = random.randrange(min(len(changed), random.choice((200, 2000, len(changed)))))
            i = near if random.random() < 0.7 else len(changed) - 1 - near
            changed[i] = random.choice(
                (0, 255, changed[i] ^ (1 << random.randrange(8)), random.randrange(256))
            )
    elif how == 1:
        del changed[random.randrange(len(changed)) :]
    else:
        i, j, count = (
            random.randrange(len(data)),
            random.randrange(len(data)),
            random.choice((1, 8, 100, 1000)),
        )
        changed[i : i + count] = (changed if random.random() < 0.5 else other)[j : j + count]
    return bytes(changed)
