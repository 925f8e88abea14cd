"""The figures of every cell, for a terminal and as a page."""

from collections.abc import Sequence

from tests.failing.figures import Figures
from tests.failing.trial import Tried

_TITLES = (
    "it",
    "servers",
    "strategy",
    "units lost",
    "before + until out + after",
    "calls until out",
    "out after",
    "back after",
    "tried again",
    "bound",
)


def terminal_table(tried: Sequence[Tried]) -> str:
    """Write the rows with columns of one width."""
    lines = [_TITLES, *(_tried_cells(one) for one in tried)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_TITLES))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def markdown_table(tried: Sequence[Tried]) -> str:
    """Write them as a page has them: a row for each way, a column for each strategy."""
    strategies = list(dict.fromkeys(one.cell.strategy for one in tried))
    rows: dict[tuple[str, int], dict[str, str]] = {}
    for one in tried:
        row = rows.setdefault((one.cell.way, one.cell.servers), {})
        row[one.cell.strategy] = _short_words(one)
    lines = [
        ("it", "servers", *(f"`{name}`" for name in strategies)),
        ("---",) * (2 + len(strategies)),
        *(
            (way, str(servers), *(row.get(name, "not tried") for name in strategies))
            for (way, servers), row in rows.items()
        ),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _short_words(one: Tried) -> str:
    """Units lost, of these before, until out and after; calls until out; out and back after."""
    found = one.figures
    words = [f"**{found.lost}** = {_parts(found)}" if found.lost else "**0**"]
    if found.out_s is None:
        words.append("stays")
    else:
        words.append(f"{found.calls_until_out} calls, {_shown(found.out_s, ' s')}")
    words.append(f"back {_shown(found.back_s, ' s')}")
    return "; ".join([*words, *(f"BROKEN: {why}" for why in one.breaks)])


def _tried_cells(one: Tried) -> tuple[str, ...]:
    found = one.figures
    return (
        str(one.cell.way),
        str(one.cell.servers),
        one.cell.strategy,
        str(found.lost),
        _parts(found),
        _shown(found.calls_until_out, ""),
        _shown(found.out_s, " s"),
        _shown(found.back_s, " s"),
        str(found.periods),
        "; ".join(one.breaks) or "kept",
    )


def _parts(found: Figures) -> str:
    return f"{found.before} + {found.until_out} + {found.after}"


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "never"
    return f"{value:.1f}{unit}" if isinstance(value, float) else f"{value}{unit}"
