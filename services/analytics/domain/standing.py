"""Before pulling: whether the stream still continues what the store has."""

import msgspec


class LogCheckpoint(msgspec.Struct, frozen=True):
    """How far the store has which life of the stream."""

    created: str
    sequence: int


class ResumePoint(msgspec.Struct, frozen=True):
    """Go on behind `after`; first rebuild if `rebuild` says why; not at all if `missing` does."""

    after: int = 0
    rebuild: str | None = None
    missing: str | None = None


def resume_point(
    checkpoint: LogCheckpoint | None, *, created: str, first_sequence: int, last_sequence: int
) -> ResumePoint:
    """Compare the checkpoint with the stream."""
    if checkpoint is None:
        rebuild = "nothing is projected yet"
    elif checkpoint.created != created:
        # Its sequences mean something else: even a longer log need not hold what the rows say.
        of = checkpoint.created
        rebuild = f"the stream was created at {created}, the rows are of that of {of}"
    elif checkpoint.sequence > last_sequence:
        rebuild = f"the log ends at {last_sequence}, before the checkpoint {checkpoint.sequence}"
    else:
        rebuild = None
    after = 0 if rebuild or checkpoint is None else checkpoint.sequence
    # Asked last, and of a rebuild too: half a log makes figures that nobody sees are wrong.
    if first_sequence > after + 1:
        return ResumePoint(missing=sequence_gap(after, first_sequence))
    return ResumePoint(after, rebuild)


def sequence_gap(after: int, first: int) -> str | None:
    """Name what lies between the checkpoint and the first envelope there is; None if nothing."""
    if first == after + 1:
        return None
    return (
        f"log sequences {after + 1} to {first - 1} are missing from the stream:"
        " restore it, nothing is projected past them"
    )
