"""The rules of the jimeng family: what its backends take of pictures, compositions and films.

I iptag/jimeng-api, D gdtiti/drraw_nopoint, Z zhizinan1997/jimeng-free-api-all, L
LLM-Red-Team/jimeng-free-api. All of them make four pictures for one call, take `n`, `quality`,
`style` and `user` and heed none of them. What they refuse or silently drop is translated; what they
would get wrong unnoticed is refused here, before a lease.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from services.gateway.dialects.chat import generation_of
from services.gateway.dialects.films import in_its_words
from services.gateway.dialects.forms import joined
from services.gateway.dialects.sizes import (
    check_ratio,
    check_resolution,
    pixels_of,
    ratio_of,
    resolution_of,
    said_by,
    size_asked,
)
from services.gateway.dialects.words import Asked, Fields, Translation, UntranslatableError

IMAGES = "/v1/images/generations"
COMPOSITIONS = "/v1/images/compositions"
EDITS = "/v1/images/edits"
VIDEOS = "/v1/videos/generations"

PICTURES_OF_A_CALL = 4
_PICTURES_MAX = 10
_FILM_PICTURES_MAX = 2
_NAME_BYTES_MAX = 1000
_REFERENCES = ("images", "image", "filePath", "file_path", "file_paths", "filePaths")
_NUMBERED = ("image_file", "video_file")
_ASKED_FOR = (True, "true", "True")
_encoder = msgspec.json.Encoder()


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


def as_the_family_says(backend: Backend, asked: Asked) -> Translation:
    """Say what `asked` is for this backend. Raises `UntranslatableError` when it cannot do it."""
    # Nothing is null to them: what is, is refused.
    fields = {name: value for name, value in asked.fields.items() if value is not None}
    _check_common(fields, asked)
    if asked.path == VIDEOS and backend.videos:
        changed = in_its_words(fields, all_durations=backend.all_durations)
    elif asked.path == IMAGES:
        changed = _as_image(backend, fields)
    elif asked.path in {COMPOSITIONS, EDITS} and backend.compositions:
        return _as_composition(asked, fields)
    else:
        raise UntranslatableError(f"{asked.path}: no server here can do it ({backend.name})")
    return _told(asked, asked.path, fields, changed)


def chat_as_a_generation(backend: Backend, asked: Asked) -> Translation:
    """Say what a conversation asks for, as one generation. Raises `UntranslatableError`."""
    fields, pictures, film = generation_of(asked)
    most = min(_FILM_PICTURES_MAX, backend.pictures_max) if film else backend.pictures_max
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
    said = as_the_family_says(backend, Asked(path, asked.request_id, fields))
    told = "; ".join(filter(None, [f"chat → {path}", said.told]))
    return msgspec.structs.replace(
        said,
        pieces=said.pieces or (_encoder.encode(fields),),
        content_type="application/json",
        told=told,
        chat="video" if film else "image",
    )


def _check_common(fields: Fields, asked: Asked) -> None:
    """Refuse what the backends take and get wrong, or echo."""
    for name in ("model", "duration"):
        value = fields.get(name)
        if isinstance(value, str) and len(value.encode()) > _NAME_BYTES_MAX:
            raise UntranslatableError(f"{name}: expected at most {_NAME_BYTES_MAX} bytes", name)
    n = fields.get("n")
    if isinstance(n, (int, str)) and str(n).isdecimal() and int(n) > PICTURES_OF_A_CALL:
        raise UntranslatableError(
            f"n: expected at most {PICTURES_OF_A_CALL}, for one call makes so many, got {n}", "n"
        )
    if asked.fields.get("stream") in _ASKED_FOR:
        raise UntranslatableError(
            "stream: expected none, for no server here streams its results", "stream"
        )
    references = [*_references(fields)]
    for name, reference in references:
        if not reference.startswith(("http://", "https://", "data:image/")):
            raise UntranslatableError(f"{name}: expected http(s):// or data:image/ addresses", name)
    pictures = len(references) + len(asked.files)
    if pictures > _PICTURES_MAX:
        message = f"images: expected at most {_PICTURES_MAX} pictures, got {pictures}"
        raise UntranslatableError(message, "images")


def _references(fields: Fields) -> Iterator[tuple[str, str]]:
    """Every address of a picture or film that a backend would fetch, or open as a file."""
    for name, value in fields.items():
        if name not in _REFERENCES and not name.startswith(_NUMBERED):
            continue
        for one in value if isinstance(value, list) else [value]:
            reference = one.get("url") if isinstance(one, dict) else one
            if isinstance(reference, str):
                yield name, reference


def _as_image(backend: Backend, fields: Fields) -> list[str]:
    """Say a picture's size in the backend's words."""
    pixels, named = size_asked(fields)
    model = fields.get("model") if isinstance(fields.get("model"), str) else ""
    check_ratio(fields)
    said = said_by(fields, named)
    if backend.pixels:
        return _in_pixels(fields, pixels, named, said)
    for name in named:
        del fields[name]
    if pixels is not None:
        fields.setdefault("ratio", ratio_of(pixels))
        fields.setdefault("resolution", resolution_of(pixels, model or ""))
    check_resolution(fields, model or "")
    told = [f"{name}={fields[name]}" for name in ("ratio", "resolution") if name in fields]
    told = told if pixels else []
    return [f"{', '.join(said)} → {', '.join(told) or 'nothing'}"] if said else []


def _in_pixels(
    fields: Fields, pixels: tuple[int, int] | None, named: list[str], said: list[str]
) -> list[str]:
    """L knows `width` and `height`, and drops everything else about the size."""
    shape = {name: fields.pop(name, None) for name in ("ratio", "resolution")}
    ratio, resolution = shape.values()
    if pixels is None and ratio is not None:
        pixels = pixels_of(ratio, resolution)
    said += said_by(shape, [name for name, value in shape.items() if value is not None])
    if pixels is None or (named == ["width", "height"] and len(said) == len(named)):
        return []
    fields.pop("size", None)
    fields["width"], fields["height"] = pixels
    return [f"{', '.join(said)} → width={pixels[0]}, height={pixels[1]}"]


def _as_composition(asked: Asked, fields: Fields) -> Translation:
    """Say an edit, or a composition, of pictures: files are named `images`, there is no mask."""
    if "mask" in fields or any(file.name == "mask" for file in asked.files):
        raise UntranslatableError("mask: no server here can edit a part of a picture", "mask")
    changed = _as_image(Backend(name=""), fields)
    if asked.path == EDITS:
        changed.append("edits → compositions")
    if not asked.is_form:
        if "image" in fields and "images" not in fields:
            image = fields.pop("image")
            fields["images"] = image if isinstance(image, list) else [image]
        return _told(asked, COMPOSITIONS, fields, changed)
    files = tuple(msgspec.structs.replace(file, name="images") for file in asked.files)
    if not files:
        raise UntranslatableError("image: expected at least one picture", "image")
    if not changed and files == asked.files:
        return _unchanged(asked, COMPOSITIONS)
    content_type, pieces = joined(fields, files, asked.request_id)
    return Translation(
        path=COMPOSITIONS,
        pieces=pieces,
        content_type=content_type,
        told="; ".join(changed),
        results_included=PICTURES_OF_A_CALL,
        quoting=any(True for _ in _references(fields)),
    )


def _told(asked: Asked, path: str, fields: Fields, changed: list[str]) -> Translation:
    """Write the fields anew where something changed, or a form has to be JSON."""
    if asked.is_form and not asked.files:
        # In a form numbers and booleans are -2000 to these backends.
        fields = {name: _typed(name, value) for name, value in fields.items()}
        changed = [*changed, "form → JSON"]
    elif asked.is_form:
        return _reframed(asked, path, fields, changed)
    if fields == asked.fields and path == asked.path and not asked.is_form:
        return _unchanged(asked, path)
    return Translation(
        path=path,
        pieces=(_encoder.encode(fields),),
        content_type="application/json",
        told="; ".join(changed),
        results_included=PICTURES_OF_A_CALL,
        quoting=any(True for _ in _references(fields)),
    )


def _reframed(asked: Asked, path: str, fields: Fields, changed: list[str]) -> Translation:
    if not changed:
        return _unchanged(asked, path)
    content_type, pieces = joined(fields, asked.files, asked.request_id)
    return Translation(
        path=path,
        pieces=pieces,
        content_type=content_type,
        told="; ".join(changed),
        results_included=PICTURES_OF_A_CALL,
        quoting=any(True for _ in _references(fields)),
    )


def _unchanged(asked: Asked, path: str) -> Translation:
    quoting = any(True for _ in _references(asked.fields))
    return Translation(path=path, results_included=PICTURES_OF_A_CALL, quoting=quoting)


_INTEGERS = frozenset({"n", "duration", "width", "height", "seed"})
_DECIMALS = frozenset({"sample_strength"})
_BOOLEANS = frozenset({"intelligent_ratio", "stream"})


def _typed(name: str, value: Any) -> Any:
    """Read a form's text as what its name says it is; text that is none stays text."""
    if not isinstance(value, str):
        return value
    if name in _BOOLEANS and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    try:
        if name in _INTEGERS:
            return int(value)
        if name in _DECIMALS:
            return float(value)
    except ValueError:
        return value
    return value
