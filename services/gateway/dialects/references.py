"""Pictures and films that a request brings along: where a backend reads them, and how many.

What a backend would fetch is an address, never the name of a file: Z opens those. What stands under
a name that it does not read would be dropped without a word, and the picture be of something else.
"""

import re
from collections.abc import Iterable, Iterator

from services.gateway.dialects.words import Asked, Fields, UntranslatableError

PICTURES_MAX = 10
FILM_PICTURES_MAX = 2
FILM_PATHS = ("file_paths", "filePaths")
OMNI = "omni_reference"
_OMNI_MAX = 12
_OMNI_NAMES = re.compile(r"image_file_[1-9]|video_file_[1-3]")
_ADDRESSES = ("http://", "https://", "data:image/")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PARTS = re.compile(r"[a-z]+")
# fmt: off
_THINGS = frozenset(
    (
        "image", "images", "img", "imgs", "pic", "pics", "picture", "pictures", "photo", "photos",
        "video", "videos", "file", "files", "filepath", "filepaths", "frame", "frames", "mask",
        "masks", "reference", "references",
    )
)
_ABOUT_THEM = frozenset(
    (
        "input", "init", "source", "ref", "refs", "first", "last", "start", "end", "tail", "head",
        "control", "subject", "style", "url", "urls", "uri", "path", "paths", "list", "data",
        "binary", "id", "ids",
    )
)
# fmt: on
_NAME_MAX = 64
"""No backend reads a field of a longer name."""


def addresses_in(fields: Fields) -> Iterator[tuple[str, str]]:
    """Every address under a name that is like a reference's."""
    for name, value in fields.items():
        if is_reference(name):
            for item in value if isinstance(value, list) else [value]:
                address = item.get("url") if isinstance(item, dict) else item
                if isinstance(address, str):
                    yield name, address


def is_reference(name: str) -> bool:
    """Whether a field of this name brings a picture or film along, in whatever words."""
    if len(name) > _NAME_MAX:
        return False
    parts = set(
        _PARTS.findall(
            _CAPITAL.sub("_", name).lower().replace("base64", "b64").replace("b64", "image")
        )
    )
    return not parts.isdisjoint(_THINGS) and parts <= _THINGS | _ABOUT_THEM


def check_references(asked: Asked, fields: Fields, read: Iterable[str], *, files: bool) -> None:
    """Look at all that a request brings along.

    `read` are the fields that the backend reads on this path, `files` says whether it reads those
    of a form. Raises `UntranslatableError`.
    """
    read = tuple(read)
    for name, value in fields.items():
        if not value or not is_reference(name):
            continue
        if name not in read:
            raise _unread_error(asked.path, name, read)
        for item in value if isinstance(value, list) else [value]:
            address = item.get("url") if isinstance(item, dict) else item
            if not isinstance(address, str) or not address.startswith(_ADDRESSES):
                message = f"{name}: expected http(s):// or data:image/ addresses"
                raise UntranslatableError(message, name)
    if asked.files and not files:
        raise _unread_error(asked.path, asked.files[0].name, read)
    count = len(asked.files) + sum(1 for _ in addresses_in(fields))
    if count > PICTURES_MAX and fields.get("functionMode") != OMNI:
        message = f"images: expected at most {PICTURES_MAX} pictures, got {count}"
        raise UntranslatableError(message, "images")


def film_references(asked: Asked, fields: Fields, *, omni: bool, paths: tuple[str, ...]) -> None:
    """Put a film's pictures where the backend reads them, and check how many there are.

    `omni`: whether it knows the mode of up to 12 pictures and films. Raises `UntranslatableError`.
    """
    mode = fields.get("functionMode")
    if mode is not None and (not omni or mode not in ("first_last_frames", OMNI)):
        expected = f"first_last_frames or {OMNI}" if omni else "none, for no server here has modes"
        raise UntranslatableError(f"functionMode: expected {expected}", "functionMode")
    for name in FILM_PATHS:
        if isinstance(fields.get(name), str):
            fields[name] = [fields[name]] if fields[name] else []
    if all(fields.get(name) for name in FILM_PATHS):
        raise UntranslatableError("filePaths: expected it or file_paths, not both", "filePaths")
    if "filePaths" in fields and "filePaths" not in paths:
        fields["file_paths"] = fields.pop("filePaths") or fields.get("file_paths", [])
    read = [*FILM_PATHS]
    if mode == OMNI:
        read += filter(_OMNI_NAMES.fullmatch, fields)
    check_references(asked, fields, read, files=True)
    most = _OMNI_MAX if mode == OMNI else FILM_PICTURES_MAX
    count = len(asked.files) + sum(1 for _ in addresses_in(fields))
    if count > most:
        message = f"file_paths: expected at most {most} pictures for a film, got {count}"
        raise UntranslatableError(message, "file_paths")


def _unread_error(path: str, name: str, read: tuple[str, ...]) -> UntranslatableError:
    where = f"expected it in {' or '.join(read)}" if read else "expected none"
    shown = name[:40]
    return UntranslatableError(f"{shown}: no server here reads it at {path}; {where}", shown)
