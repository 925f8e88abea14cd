"""Pictures by ratio and resolution, and what a size in pixels is of these.

The eight ratios and their pixels are those of iptag/jimeng-api, src/api/consts/common.ts,
`RESOLUTION_OPTIONS`; its 1k table has 4:3 and 3:4 the wrong way round, so pixels come from 2k.
"""

import re
from typing import NamedTuple

from services.gateway.dialects.words import Fields, UntranslatableError

RATIOS = {
    "1:1": (2048, 2048),
    "4:3": (2304, 1728),
    "3:4": (1728, 2304),
    "16:9": (2560, 1440),
    "9:16": (1440, 2560),
    "3:2": (2496, 1664),
    "2:3": (1664, 2496),
    "21:9": (3024, 1296),
}
"""Each ratio, and the pixels of a 2k picture."""
RESOLUTIONS = ("1k", "2k", "4k")
_NEAR = 0.03
"""A size is of a ratio within so much."""
_SIDE_4K = 3500
_SIDE_MIN, _SIDE_MAX = 64, 8192
_DIGITS_MAX = 9
_SIZE = re.compile(r"\s*(\d{2,5})\s*[xX×*]\s*(\d{2,5})\s*")  # noqa: RUF001, RUF003 (people do write ×)
_OLD = re.compile(r"jimeng-(?:xl|[12]\.|3\.)|nanobanana\Z")
"""Models up to 3.1 (and nanobanana) know 1k alone: higher is refused as "points used up"."""
_AUTOMATIC = frozenset({"", "auto"})

Pixels = tuple[int, int]


class AskedSize(NamedTuple):
    """The size that a request asks for."""

    pixels: Pixels | None
    """None: any."""
    named_by: list[str]
    """The fields that say it, even if they say nothing."""


def size_asked(fields: Fields) -> AskedSize:
    """Read `size`, or `width` and `height`.

    Raises `UntranslatableError` for what is none.
    """
    named: list[str] = [name for name in ("size", "width", "height") if name in fields]
    size = fields.get("size")
    if size is not None and str(size) not in _AUTOMATIC:
        match = _SIZE.fullmatch(str(size))
        if match is None:
            got = str(size)[:40]
            raise UntranslatableError(f'size: expected such as "1024x1024", got {got!r}', "size")
        pixels = int(match[1]), int(match[2])
        for name, side in zip(("width", "height"), pixels, strict=True):
            if str(fields.get(name, side)).removesuffix(".0") != str(side):
                raise UntranslatableError(f"size: expected the same as {name}", "size")
        return AskedSize(pixels, named)
    width, height = fields.get("width"), fields.get("height")
    if width is None and height is None:
        return AskedSize(None, named)
    return AskedSize((_side_of("width", width), _side_of("height", height)), named)


def _side_of(name: str, side: object) -> int:
    text = str(side).removesuffix(".0")
    if isinstance(side, bool) or not text.isdecimal() or not int(text[:_DIGITS_MAX]) > 0:
        message = f"{name}: expected a number of pixels, got {str(side)[:40]!r}"
        raise UntranslatableError(message, name)
    return int(text[:_DIGITS_MAX])


def check_side(pixels: Pixels) -> None:
    """Raises `UntranslatableError` for what nobody makes, where sides pass as they are."""
    for name, side in zip(("width", "height"), pixels, strict=True):
        if not _SIDE_MIN <= side <= _SIDE_MAX:
            message = f"{name}: expected {_SIDE_MIN} to {_SIDE_MAX:,} pixels, got {side}"
            raise UntranslatableError(message, name)


def ratio_of(pixels: Pixels) -> str:
    """Find the nearest ratio. Raises `UntranslatableError` when none is near."""
    width, height = pixels
    if not width or not height:
        raise UntranslatableError("size: expected a picture of more than no pixels", "size")
    asked = width / height

    def ratio_distance(name: str) -> float:
        across, down = name.split(":")
        there = int(across) / int(down)
        return max(asked / there, there / asked) - 1

    best = min(RATIOS, key=ratio_distance)
    if ratio_distance(best) > _NEAR:
        raise UntranslatableError(
            f"size: expected one of the ratios {', '.join(RATIOS)}, got {width}x{height}", "size"
        )
    return best


def knows_1k_alone(model: str) -> bool:
    """Whether a model makes pictures of 1k and no more."""
    return _OLD.match(model) is not None


def resolution_of(pixels: Pixels, model: str) -> str:
    """Choose the resolution that a model makes for a size."""
    if knows_1k_alone(model):
        return "1k"
    return "4k" if max(pixels) >= _SIDE_4K else "2k"


def check_ratio(fields: Fields, pixels: Pixels | None = None) -> None:
    """Raises `UntranslatableError` for a ratio that a backend would refuse or quietly replace.

    `pixels` are what was asked for beside it: both say the same, or one would be dropped.
    """
    ratio = fields.get("ratio")
    if ratio is None:
        return
    if ratio not in RATIOS:
        raise UntranslatableError(
            f"ratio: expected one of {', '.join(RATIOS)}, got {str(ratio)[:40]!r}", "ratio"
        )
    if pixels is not None and ratio_of(pixels) != ratio:
        message = f"size: expected one of the ratio {ratio}, got {pixels[0]}x{pixels[1]}"
        raise UntranslatableError(message, "size")


def check_resolution(fields: Fields, model: str) -> None:
    """Raises `UntranslatableError` for a resolution that the model does not make.

    Asked for one, the generator answers that the points are used up, and a session would be closed.
    """
    resolution = fields.get("resolution")
    if resolution is None:
        return
    expected = ("1k",) if knows_1k_alone(model) else RESOLUTIONS[1:] if model else RESOLUTIONS
    if resolution not in expected:
        raise UntranslatableError(
            f"resolution: expected {' or '.join(expected)}"
            f"{f' of {model}' if model else ''}, got {str(resolution)[:40]!r}",
            "resolution",
        )


def pixels_of(ratio: str, resolution: str | None) -> Pixels:
    """Find the pixels of a ratio: about a megapixel, twice the side for more than 1k."""
    width, height = RATIOS[ratio]
    if resolution is None or resolution == "1k":
        return width // 2, height // 2
    return width, height


def names_by(fields: Fields, names: list[str]) -> list[str]:
    """Write what some fields say, for the record: never more of it than a few characters."""
    return [f"{name}={str(fields[name])[:40]}" for name in names]
