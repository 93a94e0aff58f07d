"""Files that people hand in for images and that are none here: by their first bytes, with what helps.

One table. It names; nothing of such a file is ever parsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["OTHER_KINDS", "OtherKind", "other_kind"]


@dataclass(frozen=True)
class OtherKind:
    """A kind of file that is not read.

    Args:
        name: with its article, as it stands behind "found".
        magic: matches at the beginning of such a file, within its first :data:`HEAD` bytes.
        helps: what a person can do, in the imperative.
    """

    name: str
    magic: re.Pattern[bytes]
    helps: str


HEAD = 512
"""Bytes that the longest pattern looks at."""

_AS_PNG = "save it as PNG or JPEG and try again"
_FRAMES = "take its frames out as images, for instance with 'ffmpeg -i video.mp4 frame_%06d.png'"
_RAW = "develop it to TIFF or JPEG, for instance with darktable or RawTherapee"
_SLICES = "save the slices or planes you want as PNG or TIFF, for instance with Fiji (File > Save As)"
_VOLUME = "save its slices as PNG or 16-bit TIFF, for instance with Fiji or 3D Slicer"
_UNPACK = "unpack it and add the images"


def _kind(name: str, magic: bytes, helps: str = _AS_PNG) -> OtherKind:
    return OtherKind(name, re.compile(magic, re.DOTALL), helps)


OTHER_KINDS: tuple[OtherKind, ...] = (
    _kind("a PostScript file", rb"%!PS|\xc5\xd0\xd3\xc6"),
    _kind("a PDF", rb"%PDF", "save its pages as PNG, for instance with 'pdftoppm -r 200 -png file.pdf page'"),
    _kind("a Photoshop document", rb"8BP[SB]", "export it as PNG or JPEG from an image editor"),
    _kind("a GIMP document", rb"gimp xcf", "export it as PNG or JPEG from GIMP"),
    _kind("a big-endian BigTIFF", rb"MM\0\+", "save it as classic TIFF, or as little-endian BigTIFF"),
    _kind(
        "a JPEG XL image",
        rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
        "convert it, for instance with 'djxl image.jxl image.png'",
    ),
    _kind(
        "a JPEG 2000 image",
        rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
        "convert it, for instance with 'opj_decompress -i image.jp2 -o image.png'",
    ),
    _kind("a camera raw file (Canon CR3)", rb"....ftypcrx", _RAW),
    _kind("a camera raw file (Canon CR2)", rb"II\*\0....CR\x02", _RAW),
    _kind("a camera raw file (Fujifilm RAF)", rb"FUJIFILMCCD-RAW", _RAW),
    _kind("a camera raw file (Olympus ORF)", rb"IIR[OS]|MMOR", _RAW),
    _kind("a camera raw file (Panasonic RW2)", rb"IIU\0", _RAW),
    _kind("a camera raw file (Sigma X3F)", rb"FOVb", _RAW),
    _kind("a camera raw file (Minolta MRW)", rb"\0MRM", _RAW),
    _kind("a video (MP4 or MOV)", rb"....ftyp|....(?:moov|mdat|wide|free)", _FRAMES),
    _kind("a video (AVI)", rb"RIFF....AVI ", _FRAMES),
    _kind("a video (Matroska or WebM)", rb"\x1a\x45\xdf\xa3", _FRAMES),
    _kind("a video (WMV)", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _FRAMES),
    _kind("a video (MPEG)", rb"\0\0\x01[\xba\xb3]|\x47.{187}\x47.{187}\x47", _FRAMES),
    _kind("a video (FLV)", rb"FLV\x01", _FRAMES),
    _kind("a video or sound (Ogg)", rb"OggS", _FRAMES),
    _kind(
        "a DICOM file",
        rb".{128}DICM",
        "export it as PNG or 16-bit TIFF, for instance with a DICOM viewer or 'dcm2img image.dcm image.png'",
    ),
    _kind("a NIfTI volume", rb"\x5c\x01\0\0.{340}n[i+][12]\0|\0\0\x01\x5c.{340}n[i+][12]\0", _VOLUME),
    _kind("a NIfTI volume", rb"\x1c\x02\0\0n[i+]2\0|\0\0\x02\x1cn[i+]2\0", _VOLUME),
    _kind("an NRRD volume", rb"NRRD000", _VOLUME),
    _kind("a MetaImage volume", rb"(?:ObjectType|NDims) *=", _VOLUME),
    _kind("an MRC map", rb".{208}MAP[ \0]", _VOLUME),
    _kind("an HDF5 file (as Imaris and ilastik write)", rb"\x89HDF\r\n\x1a\n", _SLICES),
    _kind("an OLE document (as Olympus OIB and old Office files are)", rb"\xd0\xcf\x11\xe0", _SLICES),
    _kind("a FITS image", rb"SIMPLE  =", _SLICES),
    _kind("a NumPy array", rb"\x93NUMPY", "save it as PNG or TIFF, for instance with Pillow"),
    _kind("a MATLAB file", rb"MATLAB [57]\.", "save the image as PNG with imwrite"),
    _kind("an OpenEXR image", rb"\x76\x2f\x31\x01"),
    _kind("a Radiance HDR image", rb"#\?(?:RADIANCE|RGBE)"),
    _kind(
        "what looks like gzip (as NIfTI volumes, .nii.gz, are packed)", rb"\x1f\x8b", "unpack it with gunzip"
    ),
    _kind("a zip archive or an office document", rb"PK\x03\x04", f"{_UNPACK}, or {_AS_PNG}"),
    _kind("an archive (7z, RAR, xz or bzip2)", rb"7z\xbc\xaf|Rar!|\xfd7zXZ|BZh[1-9]", _UNPACK),
    _kind("a Windows icon", rb"\0\0[\x01\x02]\0[^\0]\0"),
    _kind("a Windows metafile", rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF"),
    _kind("a PNM image", rb"P[1-7]\s"),
    _kind("a floating-point PFM image", rb"P[fF]\s"),
    _kind("a DDS texture", rb"DDS "),
    _kind("a QOI image", rb"qoif"),
    _kind("an SGI image", rb"\x01\xda[\0\x01][\x01\x02]"),
    _kind("a PCX image", rb"\x0a[\0\x02-\x05]\x01[\x01\x02\x04\x08]"),
    _kind(
        "an SVG drawing",
        rb"\s*(?:\xef\xbb\xbf)?\s*(?:<[?!].{0,400}?>\s*)*<svg",
        "export it as PNG, for instance with Inkscape",
    ),
    _kind(
        "an HTML page or XML text",
        rb"\s*(?:\xef\xbb\xbf)?\s*<",
        "a downloaded image may be an error page instead: look at it in a text editor",
    ),
    _kind(
        "what looks like JSON",
        rb"\s*(?:\xef\xbb\xbf)?\s*[{\[]",
        "add annotations together with their images",
    ),
    _kind(
        "what looks like a TGA image",
        rb".(?:\x00[\x02\x03\x0a\x0b]\0\0\0\0\0|\x01[\x01\x09]....[\x0f\x10\x18\x20])"
        rb".{4}(?!\0\0).{2}(?!\0\0).{2}[\x08\x0f\x10\x18\x20][\x00-\x3f]",
    ),
)


def other_kind(data: bytes) -> OtherKind | None:
    """Return what a file is that is no image here, as far as its beginning (512 bytes are enough) tells."""
    head = data[:HEAD]
    return next((kind for kind in OTHER_KINDS if kind.magic.match(head)), None)
