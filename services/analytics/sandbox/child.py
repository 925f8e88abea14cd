"""What runs in the child: `python -m services.analytics.sandbox.child <parent> <bytes>`.

It opens copies read-only, with two threads, in an address space of so many bytes, and is killed
by the kernel when its parent ends. What it answers is gathered first: an answer that fails does
so as a whole, and no slow reader keeps anything open. Frameworks, log and secrets are out of its
reach: the import law holds it to DuckDB, Arrow and these words.
"""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import duckdb
import msgspec
import pyarrow as pa

from services.analytics.reading.statement import LOCKS, OutOfMemoryError, QuestionError, selected
from services.analytics.reading.values import lines_of, within
from services.analytics.sandbox import words
from services.analytics.sandbox.words import Answer, Open, Question

_PR_SET_PDEATHSIG = 1
_THREADS = 2
_ERROR_MAX = 2000
"""Characters of a fault: a statement may word one as long as it likes."""


def main(parent: int, memory_bytes: int) -> None:
    """Answer until there are no more questions, or no parent."""
    _bind(parent, memory_bytes)
    with os.fdopen(os.dup(0), "rb") as asked, os.fdopen(os.dup(1), "wb") as told:
        # Whatever a library prints must not come between the frames.
        os.dup2(2, 1)
        _serve(asked, told, memory_bytes)


def _bind(parent: int, memory_bytes: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the parent has ended already")
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _serve(asked: BinaryIO, told: BinaryIO, memory_bytes: int) -> None:
    connection: duckdb.DuckDBPyConnection | None = None
    while True:
        try:
            command, _ = words.receive(asked, words.command)
        except words.FrameError:
            return
        body = b""
        try:
            if isinstance(command, Open):
                if connection is not None:
                    connection.close()
                connection = _opened(Path(command.path), memory_bytes) if command.path else None
                answer = Answer()
            elif connection is None:
                answer = Answer(error="no file is open")
            else:
                answer, body = _answered(connection, command)
        except (OutOfMemoryError, duckdb.OutOfMemoryException, MemoryError) as error:
            answer = Answer(error=str(error) or "out of memory", out_of_memory=True)
        except (QuestionError, duckdb.Error) as error:
            answer = Answer(error=str(error))
        except Exception as error:  # noqa: BLE001 (whoever asked must hear of it)
            answer = Answer(error=f"{type(error).__name__}: {error}")
        answer = msgspec.structs.replace(answer, error=answer.error[:_ERROR_MAX])
        words.send(told, answer, body)


def _opened(path: Path, memory_bytes: int) -> duckdb.DuckDBPyConnection:
    """Open a copy; DuckDB's own bound is half of the process's, for lists and texts count too."""
    bound = f"{memory_bytes // 2}B"
    connection = duckdb.connect(
        path,
        read_only=True,
        config={
            "threads": _THREADS,
            "memory_limit": bound,
            "max_temp_directory_size": bound,
            "temp_directory": f"{path}.tmp",
        },
    )
    for statement in LOCKS:
        connection.execute(statement)
    return connection


def _answered(connection: duckdb.DuckDBPyConnection, question: Question) -> tuple[Answer, bytes]:
    """Gather an answer within its bounds. Raises `QuestionError`."""
    rows: list[bytes] = []
    room, truncated = question.bytes_max, False
    with selected(connection, question.query, question.now, as_text=True) as stream:
        for batch in stream.batches:
            kept = _lines(within(batch.slice(0, question.rows_max - len(rows)), room), room)
            rows += kept
            room -= sum(len(line) + 1 for line in kept)
            if len(kept) < len(batch):
                truncated = True
                break
        columns, sequence = list(stream.schema.names), stream.sequence
    return Answer(columns=columns, truncated=truncated, sequence=sequence), b"\n".join(rows)


def _lines(batch: pa.RecordBatch, bytes_max: int) -> list[bytes]:
    """Write rows as JSON. Raises `QuestionError` for a value that has none."""
    try:
        return lines_of(batch, bytes_max)
    except (ValueError, OverflowError, pa.ArrowException) as error:
        raise QuestionError(f"a value cannot be told ({error}): cast it to text") from None


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
