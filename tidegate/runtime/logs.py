"""Structured logs: pretty on a terminal, JSON otherwise, one event a line, no secret in any."""

import logging
import os
import sys
from typing import Any

import msgspec
import structlog

Log = structlog.typing.FilteringBoundLogger


def _line(event: dict[str, Any], **_: Any) -> bytes:
    """Encode one event; what JSON does not know is written as text."""
    return msgspec.json.encode(event, enc_hook=str)


def configure(service: str) -> Log:
    """Set up the logs of this process and return its logger."""
    wanted = os.environ.get("TIDEGATE_LOG_FORMAT") or ("pretty" if sys.stderr.isatty() else "json")
    renderer: Any
    factory: Any
    if wanted == "pretty":
        renderer, factory = (
            structlog.dev.ConsoleRenderer(),
            structlog.PrintLoggerFactory(sys.stderr),
        )
    else:
        renderer = structlog.processors.JSONRenderer(serializer=_line)
        factory = structlog.BytesLoggerFactory(sys.stderr.buffer)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    logger: Log = structlog.get_logger().bind(service=service, pid=os.getpid())
    return logger
