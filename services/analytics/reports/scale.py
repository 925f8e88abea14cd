"""Axes: round numbers that a range of values fits on."""

from math import ceil, floor, log10

_STEPS = (1, 2, 2.5, 5, 10)


def axis_ticks(greatest: float, wanted: int = 5) -> list[float]:
    """Find about so many round numbers from 0 up, the last at or above `greatest`.

    Steps are 1, 2, 2.5 or 5 times a power of ten, and 1 at least when all values are whole.
    """
    if greatest <= 0:
        return [0.0, 1.0]
    rough = greatest / wanted
    power = 10.0 ** floor(log10(rough))
    step = next(nice * power for nice in _STEPS if nice * power >= rough)
    if float(greatest).is_integer():
        step = max(1.0, ceil(step))
    return [step * count for count in range(ceil(greatest / step - 1e-9) + 1)]


def label_places(count: int, room: int) -> list[int]:
    """Choose which of `count` labels to show when there is room for so many: every n-th."""
    every = max(1, ceil(count / max(room, 1)))
    return list(range(0, count, every))
