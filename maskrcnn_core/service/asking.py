"""What is asked: the values of a request, from a form or from JSON, checked before anything is done."""

from __future__ import annotations

import json
import tempfile
from typing import Annotated, Any, BinaryIO, TypeVar, cast

from fastapi import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData, UploadFile

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats import FORMATS
from maskrcnn_core.formats.coco import MAX_TOLERANCE
from maskrcnn_core.models.spec import LoadedModel
from maskrcnn_core.service.fetching import name_of
from maskrcnn_core.service.pictures import Picture, Room
from maskrcnn_core.service.refusals import Refused, sentence_of
from maskrcnn_core.service.settings import Limits

__all__ = ["AnnotateJson", "AnnotateOptions", "Asked", "BoxJson", "BoxOptions", "body_schema", "read_request"]

_Options = TypeVar("_Options", bound=BaseModel)

_FORMAT_KEYS = [row.key for row in FORMATS]


def _known(key: str) -> str:
    """Return the key of a format that there is."""
    if key not in _FORMAT_KEYS:
        raise ValueError(f"expected one of {', '.join(_FORMAT_KEYS)}")
    return key


def _listed(value: object) -> object:
    """Return what stands between the commas of a form's field."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _parsed(value: object) -> object:
    """Return what a form's field says as JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError("expected JSON such as [[10, 20, 110, 220]]") from error


class _Options_(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: Annotated[str | None, Field(description="A key of /v1/models; by default the service's own.")] = (
        None
    )
    mask_threshold: Annotated[
        float, Field(ge=0, lt=1, description="A pixel belongs to a mask above this probability.")
    ] = 0.5


class AnnotateOptions(_Options_):
    """How images are annotated."""

    score_threshold: Annotated[
        float | None, Field(description="Keep detections with scores above this; by default the model's own.")
    ] = None
    nms_threshold: Annotated[
        float | None, Field(description="Of two boxes of a category whose IoU is above this, one goes.")
    ] = None
    max_detections: Annotated[
        int | None, Field(ge=1, le=Limits().detections, description="Keep at most so many in an image.")
    ] = None
    categories: Annotated[
        list[str] | None,
        BeforeValidator(_listed),
        Field(description="Only these, by name; separated by commas in a form."),
    ] = None
    format: Annotated[
        str,
        AfterValidator(_known),
        Field(
            json_schema_extra={"enum": list(_FORMAT_KEYS)},
            description="coco and results come as JSON, the others in a zip.",
        ),
    ] = "coco"
    simplify: Annotated[
        float, Field(ge=0, le=MAX_TOLERANCE, description="Pixels that COCO polygons may deviate.")
    ] = 0.0

    def thresholds(self, model: LoadedModel) -> Thresholds:
        """Return thresholds, with the model's own where none were given.

        Raises:
            InputError: for a value out of range, or a category that the model does not know.
        """
        labels = None if self.categories is None else model.label_map.labels_of(self.categories)
        own = model.score_threshold, model.nms_threshold, model.max_detections
        try:
            return Thresholds(
                own[0] if self.score_threshold is None else self.score_threshold,
                own[1] if self.nms_threshold is None else self.nms_threshold,
                own[2] if self.max_detections is None else self.max_detections,
                self.mask_threshold,
                labels,
            )
        except ValueError as error:
            raise InputError(str(error)) from error


class AnnotateJson(AnnotateOptions):
    """Images by their addresses, and how they are annotated."""

    urls: Annotated[
        list[str],
        Field(
            min_length=1,
            max_length=Limits().images,
            description=f"1 to {Limits().images} addresses, of hosts that the server allows.",
        ),
    ]


_Box = Annotated[list[float], Field(min_length=4, max_length=4)]


class BoxOptions(_Options_):
    """Boxes that become objects."""

    boxes: Annotated[
        list[_Box],
        BeforeValidator(_parsed),
        Field(
            min_length=1,
            max_length=Limits().boxes,
            description="Each x1, y1, x2, y2 in pixels of the upright image; JSON in a form.",
        ),
    ]


class BoxJson(BoxOptions):
    """An image by its address, and boxes in it."""

    url: Annotated[str, Field(description="Of a host that the server allows.")]


class Asked:
    """A request that was read.

    Args:
        options: its values.
        pictures: its images; close them.
        urls: where those are that have to be fetched first; as many as the pictures, or none.
    """

    def __init__(self, options: BaseModel, pictures: list[Picture], urls: list[str]) -> None:
        self.options, self.pictures, self.urls = options, pictures, urls

    def close(self) -> None:
        """Let go of the images."""
        for picture in self.pictures:
            picture.close()


async def read_request(
    request: Request,
    from_form: type[BaseModel],
    from_json: type[BaseModel],
    field: str,
    limits: Limits,
    room: Room,
) -> Asked:
    """Read a request's values and images.

    Args:
        request: whose body is read.
        from_form: the values of a form.
        from_json: the values of JSON, with ``url`` or ``urls``.
        field: the form's field of the image or images.
        limits: how much is taken on.
        room: for pixels.

    Raises:
        Refused: saying what is wrong with it.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind == "multipart/form-data":
        form = await request.form(max_files=limits.images, max_fields=20, max_part_size=limits.text_bytes)
        try:
            return _of_form(form, from_form, field, 1 if field == "image" else limits.images, room)
        except Refused:
            await form.close()
            raise
    if kind != "application/json":
        raise Refused(415, "expected multipart/form-data with images, or application/json with addresses")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limits.text_bytes:
            raise Refused(413, f"expected JSON of at most {limits.text_bytes / 2**20:g} MiB, got more")
    try:
        options = from_json.model_validate_json(bytes(body))
    except ValidationError as error:
        raise Refused(422, sentence_of(error)) from error
    values: dict[str, Any] = options.model_dump(include={"url", "urls"})
    urls = values.get("urls") or [values["url"]]
    pictures = [
        Picture(name_of(url), cast("BinaryIO", tempfile.SpooledTemporaryFile(2**20)), room)  # noqa: SIM115
        for url in urls
    ]
    return Asked(options, pictures, urls)


def _of_form(form: FormData, kind: type[_Options], field: str, most: int, room: Room) -> Asked:
    values: dict[str, str] = {}
    files: list[UploadFile] = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name != field:
                raise Refused(422, f"{name}: expected files in the field {field!r} only")
            files.append(value)
        elif name == field:
            raise Refused(422, f"{field}: expected a file, got text; a part needs its filename")
        elif name in values:
            raise Refused(422, f"{name}: expected it once")
        else:
            values[name] = value
    if not 1 <= len(files) <= most:
        raise Refused(
            422, f"{field}: expected {'one file' if most == 1 else f'1 to {most} files'}, got {len(files)}"
        )
    try:
        options = kind.model_validate(values)
    except ValidationError as error:
        raise Refused(422, sentence_of(error)) from error
    return Asked(options, [Picture(file.filename or "image", file.file, room) for file in files], [])


def body_schema(from_form: type[BaseModel], from_json: type[BaseModel], field: str) -> dict[str, Any]:
    """Return what OpenAPI says of both ways to ask."""
    form, plain = from_form.model_json_schema(), from_json.model_json_schema()
    file = {
        "type": "string",
        "contentMediaType": "application/octet-stream",
        "description": "JPEG, PNG, WebP, BMP, TIFF, AVIF, HEIC or GIF.",
    }
    form["properties"][field] = (
        file
        if field == "image"
        else {
            "type": "array",
            "items": file,
            "maxItems": Limits().images,
            "description": f"1 to {Limits().images} files: {file['description']}",
        }
    )
    form["required"] = [field, *form.get("required", [])]
    content = {"multipart/form-data": {"schema": form}, "application/json": {"schema": plain}}
    return {"requestBody": {"required": True, "content": content}}
