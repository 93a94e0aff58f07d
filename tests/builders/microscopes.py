"""Files as microscopes' own programs save them, of ``[T, Z, C, H, W]``, or RGB ``[T, Z, C, H, W, 3]``."""

import struct
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

NAMES = ("DAPI", "GFP")
PIXEL, STEP = 0.325, 0.65  # micrometres


# -- Zeiss ------------------------------------------------------------------------------------------


def czi(
    values: Any,
    *,
    names: tuple[str, ...] = NAMES,
    scenes: int = 1,
    split: bool = False,
    pack: Callable[[Any], tuple[int, bytes]] | None = None,
    pixel_type: int | None = None,
) -> bytes:
    """Return a CZI file.

    Args:
        values: of the first scene; others hold zeros.
        names: of the channels.
        scenes: how many it has.
        split: every plane as two tiles side by side, and a copy at half the resolution.
        pack: gives the number of a packing, and a tile packed.
        pixel_type: instead of that of the values.
    """
    is_rgb = values.ndim == 6
    kinds = {("u", 1): 0, ("u", 2): 1, ("f", 4): 2}
    kind = kinds[values.dtype.kind, values.dtype.itemsize] + (3 if is_rgb else 0)
    kind = kind if pixel_type is None else pixel_type
    pages, slices, channels, _, width = values.shape[:5]
    file = bytearray(_czi_segment(b"ZISRAWFILE", bytes(512)))
    entries = []
    for scene, page, z, channel in product(range(scenes), range(pages), range(slices), range(channels)):
        plane = values[page, z, channel] if scene == 0 else np.zeros_like(values[0, 0, 0])
        tiles = [(0, plane, 1)]
        if split:
            half = width // 3
            tiles = [(0, plane[::2, ::2], 2), (0, plane[:, :half], 1), (half, plane[:, half:], 1)]
        for number, (left, tile, scale) in enumerate(tiles):
            shown = (plane.shape[1], plane.shape[0]) if scale > 1 else (tile.shape[1], tile.shape[0])
            places = [
                ("X", left + 10, shown[0], tile.shape[1]),
                ("Y", -4, shown[1], tile.shape[0]),
                ("C", channel, 1, 1),
                ("Z", z, 1, 1),
                ("T", page, 1, 1),
                *([("S", scene, 1, 1)] if scenes > 1 else []),
                *([("M", number, 1, 1)] if split else []),
            ]
            packing, packed = (0, _bgr(tile).tobytes()) if pack is None else pack(_bgr(tile))
            entry = struct.pack(
                "<2siqiiB5xi", b"DV", kind, len(file), 0, packing, int(scale > 1), len(places)
            )
            for axis, start, size, stored in places:
                entry += struct.pack("<4siifi", axis.encode(), start, size, 0.0, stored)
            entries.append(entry)
            words = b"<METADATA/>"
            head = struct.pack("<iiq", len(words), 0, len(packed)) + entry
            file += _czi_segment(b"ZISRAWSUBBLOCK", head.ljust(256, b"\0") + words + packed)
    directory = len(file)
    file += _czi_segment(b"ZISRAWDIRECTORY", struct.pack("<i124x", len(entries)) + b"".join(entries))
    xml, text = len(file), _czi_xml(names)
    file += _czi_segment(b"ZISRAWMETADATA", struct.pack("<ii248x", len(text), 0) + text)
    file[32:112] = struct.pack("<iiii16s16siqqiq", 1, 0, 0, 0, bytes(16), bytes(16), 0, directory, xml, 0, 0)
    return bytes(file)


def _bgr(tile: Any) -> Any:
    return np.ascontiguousarray(tile[..., ::-1] if tile.ndim == 3 else tile)


def _czi_segment(kind: bytes, content: bytes) -> bytes:
    room = -(-len(content) // 32) * 32
    return struct.pack("<16sqq", kind, room, len(content)) + content.ljust(room, b"\0")


def _czi_xml(names: tuple[str, ...]) -> bytes:
    channels = "".join(
        f'<Channel Id="Channel:{n}" Name="{name}"><Color>#FF{"0000FF00FF00"[6 * n :][:6]}</Color></Channel>'
        for n, name in enumerate(names)
    )
    lengths = "".join(
        f'<Distance Id="{axis}"><Value>{value * 1e-6!r}</Value></Distance>'
        for axis, value in (("X", PIXEL), ("Y", PIXEL), ("Z", STEP))
    )
    return (
        f"<ImageDocument><Metadata><Scaling><Items>{lengths}</Items></Scaling><Information><Image><Dimensions>"
        f"<Channels>{channels}</Channels></Dimensions></Image></Information></Metadata></ImageDocument>"
    ).encode()


# -- Leica ------------------------------------------------------------------------------------------


def lif(values: Any, *, names: tuple[str, ...] = NAMES, pictures: int = 1, version: int = 2) -> bytes:
    """Return a LIF file of so many pictures of one description; those after the first hold zeros."""
    is_rgb = values.ndim == 6
    described = "".join(
        f'<Element Name="Series{n}" UniqueID="{n}"><Data><Image><ImageDescription>{_lif_xml(values, names)}'
        f'</ImageDescription></Image></Data><Memory Size="{values.nbytes}" MemoryBlockID="MemBlock_{n}"/>'
        "</Element>"
        for n in range(pictures)
    )
    text = (
        f'<LMSDataContainerHeader Version="{version}"><Element Name="a" UniqueID="a"><Data/><Children>'
        f"{described}</Children></Element></LMSDataContainerHeader>"
    ).encode("utf-16-le")
    file = struct.pack("<IIBI", 0x70, len(text) + 5, 0x2A, len(text) // 2) + text
    # colours lie within pixels, and channels within the slices of a page
    held = values[:, :, 0].tobytes() if is_rgb else values.tobytes()
    for n in range(pictures):
        name = f"MemBlock_{n}".encode("utf-16-le")
        form = "<IIBQBI" if version == 2 else "<IIBIBI"
        size = len(held)
        file += struct.pack(form, 0x70, len(name) + 14, 0x2A, size, 0x2A, len(name) // 2) + name
        file += held if n == 0 else bytes(size)
    return file


def _lif_xml(values: Any, names: tuple[str, ...]) -> str:
    is_rgb = values.ndim == 6
    pages, slices, channels, height, width = values.shape[:5]
    item = values.dtype.itemsize
    cell = item * (3 if is_rgb else 1)
    plane = height * width * cell
    count = 1 if is_rgb else channels
    kinds = [
        (1, width, PIXEL * (width - 1), cell),
        (2, height, PIXEL * (height - 1), width * cell),
        (3, slices, STEP * (slices - 1), plane * count),
        (4, pages, 10e6 * (pages - 1), plane * count * slices),
    ]
    dimensions = "".join(
        f'<DimensionDescription DimID="{number}" NumberOfElements="{size}" Origin="0" '
        f'Length="{length * 1e-6!r}" Unit="{"s" if number == 4 else "m"}" BitInc="0" BytesInc="{step}"/>'
        for number, size, length, step in kinds
        if size > 1
    )
    told = (
        [(tag, "", (tag - 1) * item) for tag in (1, 2, 3)]
        if is_rgb
        else [(0, names[n], n * plane) for n in range(channels)]
    )
    described = "".join(
        f'<ChannelDescription DataType="{int(values.dtype.kind == "f")}" ChannelTag="{tag}" '
        f'Resolution="{8 * item}" NameOfMeasuredQuantity="" Min="0" Max="1" Unit="" '
        f'LUTName="{("Blue", "Green")[n % 2]}" '
        f'IsLUTInverted="0" BytesInc="{begin}" BitInc="0"><ChannelProperty><Key>DyeName</Key>'
        f"<Value>{name}</Value></ChannelProperty></ChannelDescription>"
        for n, (tag, name, begin) in enumerate(told)
    )
    return f"<Channels>{described}</Channels><Dimensions>{dimensions}</Dimensions>"


# -- Nikon ------------------------------------------------------------------------------------------


def nd2(
    values: Any,
    *,
    names: tuple[str, ...] = NAMES,
    positions: int = 1,
    pack: Callable[[bytes], bytes] | None = None,
    version: bytes = b"Ver3.0",
    claims: tuple[tuple[str, int], ...] = (),
) -> bytes:
    """Return an ND2 file.

    Args:
        values: of the first position; others hold zeros.
        names: of the channels.
        positions: how many it has.
        pack: packs a frame without loss.
        version: what it says of its own form.
        claims: attributes that it says otherwise than they are.
    """
    is_rgb = values.ndim == 6
    pages, slices, channels, height, width = values.shape[:5]
    components = 3 if is_rgb else channels
    item = values.dtype.itemsize
    attributes: dict[str, Any] = {
        "uiWidth": width, "uiWidthBytes": width * components * item, "uiHeight": height, "uiComp": components,
        "uiBpcInMemory": 8 * item, "uiBpcSignificant": 8 * item,
        "uiSequenceCount": pages * positions * slices, "eCompression": 2 if pack is None else 0,
    }  # fmt: skip
    attributes |= dict(claims)
    colors = (0xFF0000, 0x00FF00)  # blue and green: red is the lowest byte
    planes = {
        f"a{n}": {
            "uiCompCount": 3 if is_rgb else 1, "uiSampleIndex": n, "sDescription": names[n],
            "uiColor": colors[n],
            "pFluorescentProbe": {"m_sName": ""},
        }
        for n in range(1 if is_rgb else channels)
    }  # fmt: skip
    metadata = {
        "bCalibrated": True, "dCalibration": PIXEL,
        "sPicturePlanes": {"uiCount": len(planes), "sPlaneNew": planes},
    }  # fmt: skip
    stack = {"eType": 4, "uLoopPars": {"uiCount": slices, "dZStep": STEP, "dZLow": 0.0, "dZHigh": 0.0}}
    points = {f"i{n}": {"dPosX": 1.0 * n, "dPosY": 0.0, "dPosZ": 0.0} for n in range(positions)}
    places = {
        "eType": 2, "pItemValid": bytes([1] * positions),
        "uLoopPars": {"uiCount": positions, "Points": points},
        "ppNextLevelEx": {"": stack},
    }  # fmt: skip
    experiment = {
        "eType": 1,
        "uLoopPars": {"uiCount": pages, "dStart": 0.0, "dPeriod": 1.0, "dDuration": 1.0},
        "ppNextLevelEx": {"": places},
    }
    chunks = [
        (b"ImageAttributesLV!", _nd2_values({"SLxImageAttributes": attributes})),
        (b"ImageMetadataSeqLV|0!", _nd2_values({"SLxPictureMetadata": metadata})),
        (b"ImageMetadataLV!", _nd2_values({"SLxExperiment": experiment})),
    ]
    for number, (page, position, z) in enumerate(product(range(pages), range(positions), range(slices))):
        plane = values[page, z, 0] if is_rgb else values[page, z].transpose(1, 2, 0)
        frame = np.ascontiguousarray(plane if position == 0 else np.zeros_like(plane)).tobytes()
        packed = frame if pack is None else pack(frame)
        chunks.append((f"ImageDataSeq|{number}!".encode(), bytes(8) + packed))
    file = bytearray(_nd2_chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", version.ljust(64, b"\0"), 32))
    places_of = b""
    for name, content in chunks:
        places_of += name + struct.pack("<QQ", len(file), len(content))
        file += _nd2_chunk(name, content, 4072)
    end = len(file)
    tail = b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", end)
    file += _nd2_chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", places_of + tail, 32)
    return bytes(file)


def _nd2_chunk(name: bytes, content: bytes, room: int) -> bytes:
    return struct.pack("<IIQ", 0x0ABECEDA, room, len(content)) + name.ljust(room, b"\0") + content


def _nd2_values(values: dict[str, Any]) -> bytes:
    """Return typed values as ND2 keeps them."""
    written = b""
    for name, value in values.items():
        label = name.encode("utf-16-le") + b"\0\0"
        head = bytes([_nd2_type(value), len(label) // 2]) + label
        if isinstance(value, dict):
            inner = _nd2_values(value)
            written += head + struct.pack("<IQ", len(value), len(head) + 12 + len(inner)) + inner
            written += bytes(8 * len(value))
        elif isinstance(value, bool):
            written += head + bytes([value])
        elif isinstance(value, int):
            written += head + struct.pack("<I", value)
        elif isinstance(value, float):
            written += head + struct.pack("<d", value)
        elif isinstance(value, bytes):
            written += head + struct.pack("<Q", len(value)) + value
        else:
            written += head + value.encode("utf-16-le") + b"\0\0"
    return written


def _nd2_type(value: Any) -> int:
    kinds = {dict: 11, bool: 1, int: 3, float: 6, bytes: 9, str: 8}
    return kinds[type(value)]
