"""The rules of the jimeng family: what its backends take of pictures, compositions and films.

I iptag/jimeng-api, D gdtiti/drraw_nopoint, Z zhizinan1997/jimeng-free-api-all, L
LLM-Red-Team/jimeng-free-api. All of them make four pictures for one call, take `n`, `quality`,
`style` and `user` and heed none of them. What they refuse or silently drop is translated; what they
would get wrong unnoticed is refused here, before a lease.
"""

import re
from typing import Literal

import msgspec

from services.gateway.dialects.chat import generation_of
from services.gateway.dialects.checks import check_count, check_words, with_types
from services.gateway.dialects.films import apply_film_words
from services.gateway.dialects.forms import encode_json, join_form
from services.gateway.dialects.references import (
    FILM_PATHS,
    FILM_PICTURES_MAX,
    addresses_in,
    check_references,
    film_references,
)
from services.gateway.dialects.sizes import (
    check_ratio,
    check_resolution,
    check_side,
    names_by,
    pixels_of,
    ratio_of,
    resolution_of,
    size_asked,
)
from services.gateway.dialects.words import (
    FILM_SUBMITTED_AFTER_S,
    SUBMITTED_AFTER_S,
    Asked,
    Fields,
    File,
    Translation,
    UntranslatableError,
)

IMAGES = "/v1/images/generations"
COMPOSITIONS = "/v1/images/compositions"
EDITS = "/v1/images/edits"
VIDEOS = "/v1/videos/generations"

PICTURES_OF_A_CALL = 4
_PICTURE = re.compile(r"images?(?:\[\d{0,2}\])?")


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """One backend of the family: what it has, and in which words."""

    name: str
    pixels: bool = False
    """Pictures by `width` and `height`, not by `ratio` and `resolution`."""
    compositions: bool = False
    videos: bool = True
    reference: Literal["", "filePath"] = ""
    """The field in which a picture's generation takes one reference picture."""
    pictures_max: int = 0
    """Pictures that a chat may bring along."""
    all_durations: bool = True
    """Whether a film's length is by its model; else 5 or 10 seconds."""
    film_paths: tuple[str, ...] = FILM_PATHS
    """The fields in which a film's generation takes pictures."""
    pause_s: float = 0.0
    """It waits so long between two pictures of a composition, before it submits."""
    omni: bool = False
    """Whether a film may be made of up to 12 pictures and films."""


def as_family_says(backend: Backend, asked: Asked) -> Translation:
    """Say what `asked` is for this backend. Raises `UntranslatableError` when it cannot do it."""
    said = _translate_family(backend, asked)
    if said.path == VIDEOS:
        return msgspec.structs.replace(said, submitted_after_s=FILM_SUBMITTED_AFTER_S)
    pictures = len(asked.files) + sum(1 for _ in addresses_in(asked.fields))
    if said.path == COMPOSITIONS and backend.pause_s and pictures > 1:
        return msgspec.structs.replace(
            said, submitted_after_s=SUBMITTED_AFTER_S + backend.pause_s * (pictures - 1)
        )
    return said


def _translate_family(backend: Backend, asked: Asked) -> Translation:
    """Check what is asked and put it into words that `backend` reads."""
    # Nothing is null to them: what is, is refused.
    fields = {name: value for name, value in asked.fields.items() if value is not None}
    if asked.is_form:
        fields = with_types(fields)
    composes = asked.path in {COMPOSITIONS, EDITS} and backend.compositions
    films = asked.path == VIDEOS and backend.videos
    if not composes and not films and asked.path != IMAGES:
        raise UntranslatableError(f"{asked.path}: no server here can do it ({backend.name})")
    check_words(fields)
    if composes:
        check_count(fields, 1, "one picture")
        return _as_composition(asked, fields)
    if films:
        check_count(fields, 1, "one film")
        film_references(asked, fields, omni=backend.omni, paths=backend.film_paths)
        changed = apply_film_words(fields, all_durations=backend.all_durations)
    else:
        check_count(fields, PICTURES_OF_A_CALL, "four")
        changed = _as_image(backend, asked, fields)
    return _as_json_request(asked, asked.path, fields, changed)


def chat_as_generation(backend: Backend, asked: Asked) -> Translation:
    """Say what a conversation asks for, as one generation. Raises `UntranslatableError`."""
    wanted = generation_of(asked)
    fields, pictures, film = wanted.fields, wanted.pictures, wanted.is_film
    most = min(FILM_PICTURES_MAX, backend.pictures_max) if film else backend.pictures_max
    if len(pictures) > most:
        message = (
            f"messages: expected at most {most} pictures ({backend.name}), got {len(pictures)}"
        )
        raise UntranslatableError(message, "messages")
    path = VIDEOS if film else IMAGES
    if pictures and film:
        fields["file_paths"] = pictures
    elif pictures and backend.reference:
        fields[backend.reference] = pictures[0]
    elif pictures:
        path, fields["images"] = COMPOSITIONS, pictures
    said = as_family_says(backend, Asked(path, asked.request_id, fields))
    told = "; ".join(filter(None, [f"chat → {path}", said.told]))
    return msgspec.structs.replace(
        said,
        pieces=said.pieces or (encode_json(fields),),
        content_type="application/json",
        told=told,
        chat="video" if film else "image",
    )


def _as_image(backend: Backend, asked: Asked, fields: Fields) -> list[str]:
    """Say a picture's size and reference in the backend's words."""
    read = [backend.reference] if backend.reference else []
    check_references(asked, fields, read, files=bool(read) and len(asked.files) == 1)
    return _apply_size(backend, fields)


def _apply_size(backend: Backend, fields: Fields) -> list[str]:
    """Put a size into the words of `backend`, and tell what was changed."""
    size = size_asked(fields)
    pixels, named = size.pixels, size.named_by
    model = fields.get("model") if isinstance(fields.get("model"), str) else ""
    check_ratio(fields, pixels)
    said = names_by(fields, named)
    if backend.pixels:
        return _in_pixels(fields, pixels, named, said)
    for name in named:
        del fields[name]
    if pixels is not None:
        fields.setdefault("ratio", ratio_of(pixels))
        fields.setdefault("resolution", resolution_of(pixels, model or ""))
    check_resolution(fields, model or "")
    words = [f"{name}={fields[name]}" for name in ("ratio", "resolution") if name in fields]
    words = words if pixels else []
    return [f"{', '.join(said)} → {', '.join(words) or 'nothing'}"] if said else []


def _in_pixels(
    fields: Fields, pixels: tuple[int, int] | None, named: list[str], said: list[str]
) -> list[str]:
    """L knows `width` and `height`, and drops everything else about the size."""
    shape = {name: fields.pop(name, None) for name in ("ratio", "resolution")}
    ratio, resolution = shape.values()
    check_resolution(shape, "")
    if pixels is None and (ratio is not None or resolution is not None):
        pixels = pixels_of(ratio or "1:1", resolution)
    said += names_by(shape, [name for name, value in shape.items() if value is not None])
    if fields.pop("size", None) is None and pixels is None:
        return []
    if pixels is None:
        return [f"{', '.join(said)} → nothing"]
    check_side(pixels)
    if (fields.get("width"), fields.get("height")) == pixels and named == ["width", "height"]:
        return [f"{', '.join(said[2:])} → nothing"] if said[2:] else []
    fields["width"], fields["height"] = pixels
    return [f"{', '.join(said)} → width={pixels[0]}, height={pixels[1]}"]


def _as_composition(asked: Asked, fields: Fields) -> Translation:
    """Say an edit, or a composition, of pictures: files are named `images`, there is no mask."""
    named = {*fields, *(file.name for file in asked.files)}
    if any(name.lower() == "mask" for name in named):
        raise UntranslatableError("mask: no server here can edit a part of a picture", "mask")
    pictures = ("images", "image") if asked.path == EDITS else ("images",)
    check_references(asked, fields, pictures, files=True)
    if "image" in fields and "images" in fields:
        raise UntranslatableError("image: expected it or images, not both", "image")
    changed = _apply_size(Backend(name=""), fields)
    if asked.path == EDITS:
        changed.append("edits → compositions")
    if not asked.is_form:
        images = fields.pop("image", None) or fields.get("images")
        if not images:
            raise UntranslatableError("images: expected at least one picture", "images")
        fields["images"] = images if isinstance(images, list) else [images]
        return _as_json_request(asked, COMPOSITIONS, fields, changed)
    for file in asked.files:
        if _PICTURE.fullmatch(file.name) is None:
            shown = file.name[:40]
            raise UntranslatableError(f"{shown}: expected files named images, or image", shown)
    files = tuple(msgspec.structs.replace(file, name="images") for file in asked.files)
    if not files:
        raise UntranslatableError("image: expected at least one picture", "image")
    return _as_form_request(asked, COMPOSITIONS, fields, files, changed)


def _as_json_request(asked: Asked, path: str, fields: Fields, changed: list[str]) -> Translation:
    """Write the fields anew where something changed, or the backend might read them otherwise."""
    if asked.files:
        return _as_form_request(asked, path, fields, asked.files, changed)
    if asked.is_form:
        # In a form numbers and booleans are -2000 to these backends.
        changed = [*changed, "form → JSON"]
    elif fields == asked.fields and path == asked.path and asked.read_alike:
        return _as_unchanged(asked, path)
    return Translation(
        path=path,
        pieces=(encode_json(fields),),
        content_type="application/json",
        told="; ".join(changed),
        results_included=PICTURES_OF_A_CALL,
        quoting=_wants_quotes(fields),
    )


def _as_form_request(
    asked: Asked, path: str, fields: Fields, files: tuple[File, ...], changed: list[str]
) -> Translation:
    """Write a form anew, always: readers differ about boundaries, and about what a file is."""
    content_type, pieces = join_form(fields, files, asked.request_id)
    return Translation(
        path=path,
        pieces=pieces,
        content_type=content_type,
        told="; ".join(changed),
        results_included=PICTURES_OF_A_CALL,
        quoting=_wants_quotes(fields),
    )


def _as_unchanged(asked: Asked, path: str) -> Translation:
    return Translation(
        path=path, results_included=PICTURES_OF_A_CALL, quoting=_wants_quotes(asked.fields)
    )


def _wants_quotes(fields: Fields) -> bool:
    return any(True for _ in addresses_in(fields))
