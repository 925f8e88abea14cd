"""Structured logs: pretty on a terminal, JSON otherwise, one event a line, no secret in any."""

import logging
import os
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import structlog

from runtime.process.logfile import AppendedLog
from runtime.texts import as_shown, as_shown_json, as_shown_lines

Log = structlog.typing.FilteringBoundLogger


def _render_line(logger: Any, level: str, event: MutableMapping[str, Any]) -> bytes:
    """Write one event as JSON, in one step: requests are many. Unknown kinds become text."""
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, level, event)
    event["level"] = level
    event["timestamp"] = datetime.now(UTC)
    line = msgspec.json.encode(event, enc_hook=str)
    # Lines end on terminals, too: what would be obeyed there is escaped.
    return line if _is_plain(line) else as_shown_json(line.decode()).encode()


def _is_plain(line: bytes) -> bool:
    return line.isascii() and b"\x7f" not in line


def _make_readable(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Let no text of a stranger's command the terminal that it is printed on."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = as_shown_lines(value) if name == "exception" else as_shown(value)
    return event


class StreamedLog:
    """Standard error as a process logs there: what structlog takes for a logger of bytes.

    A line that cannot be written, for whoever read it has left, is lost, and stops nobody.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def msg(self, message: bytes) -> None:
        """Write a line."""
        with suppress(OSError, ValueError):
            self._stream.write(message + b"\n")
            self._stream.flush()

    log = debug = info = warn = warning = error = critical = exception = fatal = failure = msg


def configure_logs(service: str, file: Path | None = None) -> Log:
    """Set up the logs of this process and return its logger.

    They go to standard error, into `file`, or into that of TIDEGATE_LOG_FILE, which gets all else
    that the process prints, too. Raises `OSError` when it cannot be opened.
    """
    named = os.environ.get("TIDEGATE_LOG_FILE")
    appended = None
    if file is not None or named:
        appended = AppendedLog(file or Path(str(named)), whole_output=file is None)
    wanted = os.environ.get("TIDEGATE_LOG_FORMAT") or ("pretty" if sys.stderr.isatty() else "json")
    processors: list[Any]
    factory: Any
    if appended is not None:
        processors = [_render_line]
        factory = lambda *_: appended  # noqa: E731
    elif wanted == "pretty":
        processors = [
            _make_readable,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(),
            lambda _, __, line: line.encode(errors="backslashreplace"),
        ]
        factory = lambda *_: StreamedLog(sys.stderr.buffer)  # noqa: E731
    else:
        processors = [_render_line]
        factory = lambda *_: StreamedLog(sys.stderr.buffer)  # noqa: E731
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    logger: Log = structlog.get_logger().bind(service=service, pid=os.getpid())
    return logger
