"""What runs in the child: `python -m services.analytics.sandbox.child <parent> <bytes>`.

It opens copies read-only, with two threads, in an address space of so many bytes, and is killed
by the kernel when its parent ends. What it answers is gathered first: an answer that fails does
so as a whole, and no slow reader keeps anything open. Frameworks, log and secrets are out of its
reach: the import law holds it to DuckDB, Arrow and these words.
"""

import ctypes
import os
import re
import resource
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import duckdb
import msgspec
import pyarrow as pa

from services.analytics.reading.statement import (
    LOCKS,
    TOO_DEEP,
    OutOfMemoryError,
    QuestionError,
    open_select,
)
from services.analytics.reading.values import fitting_rows, lines_of
from services.analytics.sandbox import words
from services.analytics.sandbox.words import OpenCopy, SqlAnswer, SqlQuestion

_PR_SET_PDEATHSIG = 1
_THREADS = 2
_UNKNOWN_TABLE = "Catalog Error: Table with name "
_OWN_TABLE = re.compile(r'Did you mean "(?:pg_|sqlite_|duckdb_|information_schema)')
_ERROR_MAX = 2000
"""Characters of a fault: a statement may word one as long as it likes."""


def main(parent: int, memory_bytes: int) -> None:
    """Answer until there are no more questions, or no parent."""
    _bind_process(parent, memory_bytes)
    with os.fdopen(os.dup(0), "rb") as questions, os.fdopen(os.dup(1), "wb") as answers:
        # Whatever a library prints must not come between the frames.
        os.dup2(2, 1)
        _serve_pipes(questions, answers, memory_bytes)


def _bind_process(parent: int, memory_bytes: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the parent has ended already")
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _serve_pipes(questions: BinaryIO, answers: BinaryIO, memory_bytes: int) -> None:
    """Answer one command after the other, until the pipe ends."""
    connection: duckdb.DuckDBPyConnection | None = None
    while True:
        try:
            command, _ = words.receive_frame(questions, words.command)
        except words.FrameError:
            return
        body = b""
        try:
            if isinstance(command, OpenCopy):
                if connection is not None:
                    connection.close()
                connection = _open_copy(Path(command.path), memory_bytes) if command.path else None
                answer = SqlAnswer()
            elif connection is None:
                answer = SqlAnswer(error="no file is open")
            else:
                answer, body = _answer_question(connection, command)
        except (OutOfMemoryError, duckdb.OutOfMemoryException, MemoryError) as error:
            answer = SqlAnswer(error=str(error) or "out of memory", out_of_memory=True)
        except (QuestionError, duckdb.Error) as error:
            answer = SqlAnswer(error=_fault_words(str(error)))
        except Exception as error:  # noqa: BLE001 (whoever asked must hear of it)
            answer = SqlAnswer(error=f"{type(error).__name__}: {error}")
        answer = msgspec.structs.replace(answer, error=answer.error[:_ERROR_MAX])
        words.send_frame(answers, answer, body)


def _fault_words(text: str) -> str:
    """Say what a question failed by; for a table, DuckDB guesses among its own (`pg_…`), too."""
    what, guess, *_ = [*text.split("\n"), ""]
    if _UNKNOWN_TABLE not in what:
        return text
    told = what if _OWN_TABLE.match(guess) else f"{what} {guess}".rstrip()
    return f"{told} `show tables` names those there are."


def _open_copy(path: Path, memory_bytes: int) -> duckdb.DuckDBPyConnection:
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


def _answer_question(
    connection: duckdb.DuckDBPyConnection, question: SqlQuestion
) -> tuple[SqlAnswer, bytes]:
    """Gather an answer within its bounds. Raises `QuestionError`."""
    rows: list[bytes] = []
    room, truncated = question.bytes_max, False
    with open_select(connection, question.query, question.now, as_text=True) as stream:
        for batch in stream.batches:
            kept = _json_lines(
                fitting_rows(batch.slice(0, question.rows_max - len(rows)), room), room
            )
            rows += kept
            room -= sum(len(line) + 1 for line in kept)
            if len(kept) < len(batch):
                truncated = True
                break
        columns, sequence = list(stream.schema.names), stream.sequence
    return SqlAnswer(columns=columns, truncated=truncated, sequence=sequence), b"\n".join(rows)


def _json_lines(batch: pa.RecordBatch, bytes_max: int) -> list[bytes]:
    """Write rows as JSON. Raises `QuestionError` for a value that has none."""
    try:
        return lines_of(batch, bytes_max)
    except RecursionError:
        raise QuestionError(TOO_DEEP) from None
    except (ValueError, OverflowError, pa.ArrowException) as error:
        raise QuestionError(f"a value cannot be told ({error}): cast it to text") from None


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
