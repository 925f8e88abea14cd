"""Films: their ratio, resolution and length, which the backends do not check, or not all of it."""

from collections.abc import Mapping
from typing import Any

from services.gateway.dialects.sizes import check_ratio, names_by, ratio_of, size_asked
from services.gateway.dialects.words import Fields, UntranslatableError

_DURATIONS: tuple[tuple[tuple[str, ...], frozenset[int]], ...] = (
    (("veo3",), frozenset({8})),
    (("sora2",), frozenset({4, 8, 12})),
    (("3.5-pro", "3.5_pro"), frozenset({5, 10, 12})),
    (("seedance-2.0", "40_pro", "40-pro"), frozenset(range(4, 16))),
)
"""By a part of the model's name: I, src/api/routes/videos.ts."""
_DURATIONS_OF_OTHERS = frozenset({5, 10})
_VIDEO_RESOLUTIONS = ("480p", "720p", "1080p")


def apply_film_words(fields: Fields, *, all_durations: bool) -> list[str]:
    """Say a film's size and length as the family does, in `fields`; what was changed.

    `all_durations`: whether the backend knows the lengths of every model, or 5 and 10 s alone.
    Raises `UntranslatableError`.
    """
    changes = []
    size = size_asked(fields)
    pixels, named = size.pixels, size.named_by
    check_ratio(fields, pixels)
    if named:
        said = ", ".join(names_by(fields, named))
        for name in named:
            del fields[name]
        if pixels is not None:
            fields.setdefault("ratio", ratio_of(pixels))
        effect = f"ratio={fields['ratio']}" if pixels else "nothing"
        changes.append(f"{said} → {effect}")
    seconds = fields.pop("seconds", None)
    if seconds is not None:
        if str(fields.get("duration", seconds)) != str(seconds):
            raise UntranslatableError("seconds: expected the same as duration", "seconds")
        fields.setdefault("duration", seconds)
        changes.append(f"seconds={str(seconds)[:40]} → duration")
    duration = fields.get("duration")
    if duration is not None:
        fields["duration"] = _check_duration(fields, duration, all_durations=all_durations)
    resolution = fields.get("resolution")
    if resolution is not None and resolution not in _VIDEO_RESOLUTIONS:
        expected = ", ".join(_VIDEO_RESOLUTIONS)
        raise UntranslatableError(
            f"resolution: expected one of {expected}, got {str(resolution)[:40]!r}", "resolution"
        )
    return changes


def _check_duration(fields: Mapping[str, Any], duration: Any, *, all_durations: bool) -> int:
    """Read a duration in seconds; one that the model does not make is refused."""
    text = str(duration).removesuffix(".0")
    model = str(fields.get("model", ""))
    expected = _DURATIONS_OF_OTHERS
    if all_durations:
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
