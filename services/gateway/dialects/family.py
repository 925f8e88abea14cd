"""The rules of the jimeng family: what its backends take of pictures, compositions and films.

I iptag/jimeng-api, D gdtiti/drraw_nopoint, Z zhizinan1997/jimeng-free-api-all, L
LLM-Red-Team/jimeng-free-api. All of them make four pictures for one call, take `n`, `quality`,
`style` and `user` and heed none of them. What they refuse or silently drop is translated; what they
would get wrong unnoticed is refused here, before a lease.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from services.gateway.dialects.forms import joined
from services.gateway.dialects.sizes import (
    check_ratio,
    check_resolution,
    pixels_of,
    ratio_of,
    resolution_of,
    size_asked,
)
from services.gateway.dialects.words import Asked, Fields, Translation, UntranslatableError

IMAGES = "/v1/images/generations"
COMPOSITIONS = "/v1/images/compositions"
EDITS = "/v1/images/edits"
VIDEOS = "/v1/videos/generations"

PICTURES_OF_A_CALL = 4
_PICTURES_MAX = 10
_NAME_BYTES_MAX = 1000
_REFERENCES = ("images", "image", "filePath", "file_path", "file_paths", "filePaths")
_NUMBERED = ("image_file", "video_file")
_DURATIONS: tuple[tuple[tuple[str, ...], frozenset[int]], ...] = (
    (("veo3",), frozenset({8})),
    (("sora2",), frozenset({4, 8, 12})),
    (("3.5-pro", "3.5_pro"), frozenset({5, 10, 12})),
    (("seedance-2.0", "40_pro", "40-pro"), frozenset(range(4, 16))),
)
"""By a part of the model's name: I, src/api/routes/videos.ts."""
_DURATIONS_OF_OTHERS = frozenset({5, 10})
_VIDEO_RESOLUTIONS = ("480p", "720p", "1080p")
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
    all_durations: bool = True
    """Whether a film's length is by its model; else 5 or 10 seconds."""


def as_the_family_says(backend: Backend, asked: Asked) -> Translation:
    """Say what `asked` is for this backend. Raises `UntranslatableError` when it cannot do it."""
    fields = dict(asked.fields)
    _check_common(fields, asked)
    if asked.path == VIDEOS and backend.videos:
        changed = _as_video(backend, fields)
    elif asked.path == IMAGES:
        changed = _as_image(backend, fields)
    elif asked.path in {COMPOSITIONS, EDITS} and backend.compositions:
        return _as_composition(asked, fields)
    else:
        raise UntranslatableError(f"{asked.path}: no server here can do it ({backend.name})")
    return _told(asked, asked.path, fields, changed)


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
    said = [f"{name}={fields[name]}" for name in named]
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
    ratio, resolution = fields.pop("ratio", None), fields.pop("resolution", None)
    if pixels is None and ratio is not None:
        pixels = pixels_of(ratio, resolution)
    said += [f"ratio={ratio}"] * (ratio is not None)
    said += [f"resolution={resolution}"] * (resolution is not None)
    if pixels is None or (named == ["width", "height"] and len(said) == len(named)):
        return []
    fields.pop("size", None)
    fields["width"], fields["height"] = pixels
    return [f"{', '.join(said)} → width={pixels[0]}, height={pixels[1]}"]


def _as_video(backend: Backend, fields: Fields) -> list[str]:
    """Say a film's size and length in the backend's words."""
    changes = []
    pixels, named = size_asked(fields)
    if named:
        said = ", ".join(f"{name}={fields.pop(name)}" for name in named)
        if pixels is not None:
            fields.setdefault("ratio", ratio_of(pixels))
        told = f"ratio={fields['ratio']}" if pixels else "nothing"
        changes.append(f"{said} → {told}")
    seconds = fields.pop("seconds", None)
    if seconds is not None:
        fields.setdefault("duration", seconds)
        changes.append(f"seconds={seconds} → duration={fields['duration']}")
    duration = fields.get("duration")
    if duration is not None:
        fields["duration"] = _checked_duration(backend, fields, duration)
    check_ratio(fields)
    resolution = fields.get("resolution")
    if resolution is not None and resolution not in _VIDEO_RESOLUTIONS:
        expected = ", ".join(_VIDEO_RESOLUTIONS)
        raise UntranslatableError(
            f"resolution: expected one of {expected}, got {str(resolution)[:40]!r}", "resolution"
        )
    return changes


def _checked_duration(backend: Backend, fields: Mapping[str, Any], duration: Any) -> int:
    text = str(duration).removesuffix(".0")
    model = str(fields.get("model", ""))
    expected = _DURATIONS_OF_OTHERS
    if backend.all_durations:
        expected = next(
            (lengths for parts, lengths in _DURATIONS if any(part in model for part in parts)),
            _DURATIONS_OF_OTHERS,
        )
    if not text.isdecimal() or int(text) not in expected:
        lengths = ", ".join(map(str, sorted(expected)))
        of = f" of {model[:60]}" if model else ""
        raise UntranslatableError(
            f"duration: expected one of {lengths} (seconds){of}, got {text[:40]!r}", "duration"
        )
    return int(text)


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
        return _unchanged(COMPOSITIONS)
    content_type, pieces = joined(fields, files, asked.request_id)
    return Translation(
        path=COMPOSITIONS,
        pieces=pieces,
        content_type=content_type,
        told="; ".join(changed),
        results_included=PICTURES_OF_A_CALL,
    )


def _told(asked: Asked, path: str, fields: Fields, changed: list[str]) -> Translation:
    """Write the fields anew where something changed, or a form has to be JSON."""
    if asked.is_form and not asked.files:
        # In a form numbers and booleans are -2000 to these backends.
        fields = {name: _typed(name, value) for name, value in fields.items()}
        changed = [*changed, "form → JSON"]
    elif asked.is_form:
        return _reframed(asked, path, fields, changed)
    if fields == asked.fields and path == asked.path:
        return _unchanged(path)
    return Translation(
        path=path,
        pieces=(_encoder.encode(fields),),
        content_type="application/json",
        told="; ".join(changed),
        results_included=PICTURES_OF_A_CALL,
    )


def _reframed(asked: Asked, path: str, fields: Fields, changed: list[str]) -> Translation:
    if not changed:
        return _unchanged(path)
    content_type, pieces = joined(fields, asked.files, asked.request_id)
    return Translation(
        path=path,
        pieces=pieces,
        content_type=content_type,
        told="; ".join(changed),
        results_included=PICTURES_OF_A_CALL,
    )


def _unchanged(path: str) -> Translation:
    return Translation(path=path, results_included=PICTURES_OF_A_CALL)


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
