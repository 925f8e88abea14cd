"""Before pulling: whether the stream still continues what the store has."""

import msgspec


class Standing(msgspec.Struct, frozen=True):
    """Go on behind `after`; first rebuild if `rebuild` says why; not at all if `missing` does."""

    after: int = 0
    rebuild: str = ""
    missing: str = ""


def standing(
    checkpoint: tuple[str, int] | None, *, created: str, first_sequence: int, last_sequence: int
) -> Standing:
    """Compare the checkpoint (identity of the stream, sequence) with the stream."""
    if checkpoint is None:
        rebuild = "nothing is projected yet"
    elif checkpoint[0] != created:
        rebuild = f"the stream was created at {created}, the rows are of that of {checkpoint[0]}"
    elif checkpoint[1] > last_sequence:
        rebuild = f"the log ends at {last_sequence}, before the checkpoint {checkpoint[1]}"
    else:
        rebuild = ""
    after = 0 if rebuild or checkpoint is None else checkpoint[1]
    if first_sequence > after + 1:
        return Standing(missing=gap(after, first_sequence))
    return Standing(after, rebuild)


def gap(after: int, found: int) -> str:
    """Name what lies between the checkpoint and the first envelope there is; empty if nothing."""
    if found == after + 1:
        return ""
    return (
        f"log sequences {after + 1} to {found - 1} are missing from the stream:"
        " restore it, nothing is projected past them"
    )
